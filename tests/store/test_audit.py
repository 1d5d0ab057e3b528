"""The audit's lines: bounded, newest first, paged without gaps or repeats."""

from __future__ import annotations

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from app.store.audit import KEPT_LINES, AuditLine
from app.store.store import Store
from tests.conftest import NOON_MS, VirtualClock
from tests.examples import scaled
from tests.servers import wait_until


def line(number: int, who: str = "ci") -> AuditLine:
    return AuditLine(NOON_MS + number, who, "POST", "/api/tasks", f"id-{number}", 201, "192.0.2.1")


def test_a_line_is_read_as_it_was_written(store: Store, clock: VirtualClock) -> None:
    odd = AuditLine(clock(), 'ä "b"\t\n', "PUT", "/api/x/{key}", "a\tb\n💡", 200, "")
    store.audit.append(odd)
    assert store.audit.page(10, None) == ([odd], None)


def test_a_line_may_be_sent_without_waiting(store: Store) -> None:
    for number in range(3):
        store.audit.send(line(number))
    wait_until(lambda: len(store.audit.page(10, None)[0]) == 3, 10, "all lines")
    assert store.audit.page(10, None)[0] == [line(2), line(1), line(0)]


def test_pages_neither_skip_nor_repeat_while_lines_are_added(store: Store) -> None:
    for number in range(7):
        store.audit.append(line(number))
    first, cursor = store.audit.page(3, None)
    store.audit.append(line(7))
    second, cursor = store.audit.page(3, cursor)
    third, end = store.audit.page(3, cursor)
    assert [found.target_id for found in first + second + third] == [f"id-{number}" for number in range(6, -1, -1)]
    assert end is None


@settings(max_examples=scaled(30))
@given(count=st.integers(0, 12), limit=st.integers(1, 13))
def test_pages_are_the_whole_list(shared_redis: str, admin_url: str, count: int, limit: int) -> None:
    store = Store.at(shared_redis, max_connections=1)
    with redis.Redis.from_url(admin_url) as admin:
        admin.flushdb()
    try:
        for number in range(count):
            store.audit.append(line(number))
        found, cursor = store.audit.page(limit, None)
        while cursor is not None:
            more, cursor = store.audit.page(limit, cursor)
            assert more
            found += more
    finally:
        store.close()
    assert found == [line(number) for number in reversed(range(count))]


def test_the_oldest_lines_go(store: Store, raw_redis: redis.Redis) -> None:
    with raw_redis.pipeline(transaction=False) as pipeline:
        for number in range(KEPT_LINES + 500):
            pipeline.xadd(store.keys.audit, {"ci": f"{number}\tPOST\t/\t200\t\t"})
        pipeline.execute()
    store.audit.append(line(0))
    assert KEPT_LINES <= raw_redis.xlen(store.keys.audit) <= KEPT_LINES + 200


@pytest.mark.parametrize("cursor", ["", "0", "0-0", "x", "1-", "-1", "+", "(1-1", "1-1 ", "9" * 17 + "-0"])
def test_a_cursor_that_no_page_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor that a list gave"):
        store.audit.page(10, cursor)
