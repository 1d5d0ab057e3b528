"""Scripts, their arguments, and a series of calls whose arguments are computed while Redis works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
import redis

from app.store import scripts
from app.store.arguments import packed
from app.store.firings import Firings
from app.store.schedules import Schedule
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.servers import wait_until
from tests.store.making import due, scheduled


@pytest.fixture
def one_connection(redis_url: str, raw_redis: redis.Redis) -> Iterator[Store]:
    """A store whose calls share one connection, so that each call would see leftovers of the previous one."""
    store = Store.at(redis_url, max_connections=1)
    yield store
    store.close()


@pytest.fixture
def schedules(one_connection: Store, clock: VirtualClock) -> list[Schedule]:
    """Three due schedules."""
    found = [scheduled(one_connection, clock()) for _ in range(3)]
    clock.advance(60_000)
    return found


def runs(store: Store, schedule: Schedule) -> int:
    found = store.schedules.get(schedule.id)
    assert found is not None
    return found.run_count


def test_the_next_argument_is_computed_while_redis_works(
    store: Store, one_connection: Store, schedules: list[Schedule], clock: VirtualClock
) -> None:
    def batches() -> Iterator[Sequence[Firings]]:
        yield [due(schedules[0])]
        for before, schedule in pairwise(schedules):
            wait_until(lambda before=before: runs(store, before) == 1, 10, "the previous write")
            yield [due(schedule)]

    one_connection.firings.fire([], clock())  # loads the script into Redis
    assert one_connection.firings.fire_each(batches(), clock()) == 3


def test_a_failed_argument_leaves_no_reply_behind(
    one_connection: Store, schedules: list[Schedule], clock: VirtualClock
) -> None:
    def batches() -> Iterator[Sequence[Firings]]:
        yield [due(schedules[0])]
        raise ValueError("no plan")

    with pytest.raises(ValueError, match="no plan"):
        one_connection.firings.fire_each(batches(), clock())
    assert one_connection.firings.next_due_ms() == clock(), "the reply belongs to another call"
    assert [runs(one_connection, schedule) for schedule in schedules] == [1, 0, 0]


def test_scripts_that_redis_has_lost_are_loaded_again(
    one_connection: Store, raw_redis: redis.Redis, schedules: list[Schedule], clock: VirtualClock
) -> None:
    def batches() -> Iterator[Sequence[Firings]]:
        for schedule in schedules:
            raw_redis.script_flush()
            yield [due(schedule)]

    assert one_connection.firings.fire_each(batches(), clock()) == 3


def test_a_connection_closed_by_redis_is_reopened_and_nothing_is_skipped(
    one_connection: Store, raw_redis: redis.Redis, schedules: list[Schedule], clock: VirtualClock
) -> None:
    def batches() -> Iterator[Sequence[Firings]]:
        first, *others = schedules
        yield [due(first)]
        raw_redis.client_kill_filter(_type="normal", skipme=True)  # once: a call is sent again once, too
        for schedule in others:
            yield [due(schedule)]

    one_connection.firings.fire_each(batches(), clock())
    assert [runs(one_connection, schedule) for schedule in schedules] == [1, 1, 1]


def test_a_script_gets_only_the_library_parts_that_it_needs(store: Store) -> None:
    library = scripts._library("p:")
    create = scripts._needed_by("create(task_at(1), 2, 3)", library)
    assert "local function task_at(" in create
    assert "local function gather(" in create, "indirect dependencies are included"
    assert "FINISH_STEPS" not in create
    assert "'st'" in create, "short names are inserted"
    assert scripts._needed_by("return 1", library) == ""


def test_argument_names_are_read_from_the_header() -> None:
    source = "-- Does it.\n-- ARGV: task_id, now_ms,\n--       held…\n-- held: of each: id\nlocal x = 1\n"
    assert scripts.names_in(scripts._ARGV, source) == ("task_id", "now_ms", "held…")
    assert scripts._arguments(("task_id", "held…")) == "local task_id, held = ARGV[1], 2"
    assert scripts._arguments(()) == ""


def test_a_call_with_missing_or_unknown_arguments_fails(store: Store) -> None:
    with pytest.raises(KeyError):
        store.tasks._scripts("stop", task_id="x")
    with pytest.raises(AssertionError, match="colour"):
        store.tasks._scripts("delete", task_id="x", call="c", colour="red")


def test_arguments_are_packed_as_redis_reads_them(one_connection: Store) -> None:
    values = ("", "a", "ä€😀\r\n", b"b", 0, -7, 1.5, "x" * 100_000)
    command = b"*%d\r\n%b" % (len(values) + 2, packed("RPUSH", "celeriac:list", *values))
    assert one_connection._client.execute_packed(command) == len(values)
    assert one_connection._client.lrange("celeriac:list", 0, -1) == [
        value.decode() if isinstance(value, bytes) else str(value) for value in values
    ]


@pytest.mark.parametrize("value", [None, True, False])
def test_a_value_without_a_text_is_no_argument(value: bool | None) -> None:
    with pytest.raises(TypeError):
        packed("SET", "key", value)  # type: ignore[arg-type]
