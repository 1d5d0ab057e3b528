"""A process that waits for a task it created is woken by the end of the task, whatever happens to the connection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.outcome import Ending, Failure, Outcome
from app.store.store import Store
from app.store.tasks import told
from tests.conftest import VirtualClock
from tests.scarcity import no_more_threads
from tests.servers import RedisServer, wait_until
from tests.store.making import ENTRY, FAILED, STOPPED, SUCCEEDED, claimed, created, message_for


def await_inbox(store: Store) -> None:
    """Wait until the inbox is open: on a busy machine, longer than a caller of `Prefer: wait` waits for it."""
    wait_until(store.inbox.is_open, 15, "the confirmation of the inbox")


def expected(store: Store, clock: VirtualClock) -> str:
    return created(store, clock(), inbox=store.inbox.name)


def test_the_end_of_a_task_wakes_only_its_watch(store: Store, clock: VirtualClock) -> None:
    assert store.inbox.is_open() is False, "no task is expected yet"
    task_id, other = expected(store, clock), expected(store, clock)
    with store.inbox.expect(task_id) as watch, store.inbox.expect(other) as other_watch:
        await_inbox(store)
        store.tasks.finish(claimed(store, task_id, clock()), SUCCEEDED, clock(), 1.0)
        assert watch.wait(15)
        assert not other_watch.wait(0)
        store.tasks.stop(other, clock())
        assert other_watch.wait(15)


def test_an_inbox_for_which_there_was_no_thread_opens_later(store: Store, clock: VirtualClock) -> None:
    task_id = expected(store, clock)
    with no_more_threads(), pytest.raises(RuntimeError, match="can't start new thread"), store.inbox.expect(task_id):
        pass
    with store.inbox.expect(task_id) as watch:
        await_inbox(store)
        store.tasks.stop(task_id, clock())
        assert watch.wait(15)


@pytest.mark.parametrize(
    "outcome",
    [
        SUCCEEDED,
        STOPPED,
        FAILED,
        replace(SUCCEEDED, stdout="ü\x00\x1b\u2028/\\"),
        replace(SUCCEEDED, stdout="\n" * 14_000),  # twice as long as JSON
    ],
)
def test_the_end_comes_with_the_task(store: Store, clock: VirtualClock, outcome: Outcome) -> None:
    task_id = expected(store, clock)
    with store.inbox.expect(task_id) as watch:
        await_inbox(store)
        attempt = claimed(store, task_id, clock.advance(3))
        message = message_for(task_id)
        store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), message, Ending.COUNTED, entry=ENTRY)
        store.tasks.finish(claimed(store, task_id, clock.advance(3)), outcome, clock.advance(3), 1.0)
        assert watch.wait(15)
        assert told(task_id, watch.news) == store.tasks.get(task_id)


def test_a_task_that_never_started_is_told_too(store: Store, clock: VirtualClock) -> None:
    task_id = expected(store, clock)
    with store.inbox.expect(task_id) as watch:
        await_inbox(store)
        store.tasks.stop(task_id, clock())
        assert watch.wait(15)
        assert told(task_id, watch.news) == store.tasks.get(task_id)


@pytest.mark.parametrize(
    ("spec", "outcome"),
    [
        ({}, replace(SUCCEEDED, result_json=b'"' + b"r" * 20_000 + b'"')),
        ({}, replace(SUCCEEDED, stdout="o" * 20_000)),
        ({}, replace(FAILED, failure=Failure("ValueError", "m" * 40_000))),
        ({"function_code": "#" * 20_000}, SUCCEEDED),
        ({"args": ["a" * 20_000]}, SUCCEEDED),
    ],
)
def test_a_large_task_is_not_told(store: Store, clock: VirtualClock, spec: dict[str, Any], outcome: Outcome) -> None:
    task_id = created(store, clock(), inbox=store.inbox.name, spec=spec)
    with store.inbox.expect(task_id) as watch:
        await_inbox(store)
        store.tasks.finish(claimed(store, task_id, clock()), outcome, clock(), 1.0)
        assert watch.wait(15)
        assert watch.news == ""


def test_a_deleted_task_wakes_its_watch(store: Store, clock: VirtualClock) -> None:
    task_id = expected(store, clock)
    with store.inbox.expect(task_id) as watch:
        await_inbox(store)
        store.tasks.delete(task_id)
        assert watch.wait(15)
        assert watch.news == ""


def test_a_finished_record_names_no_inbox(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = expected(store, clock)
    assert raw_redis.hget(store.keys.task(task_id), "ib") == store.inbox.name
    store.tasks.stop(task_id, clock())
    assert raw_redis.hget(store.keys.task(task_id), "ib") is None


def test_one_subscription_serves_all_tasks(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    for _ in range(3):
        with store.inbox.expect(created(store, clock())):
            await_inbox(store)
    channel = store.keys.inbox(store.inbox.name)
    assert raw_redis.pubsub_numsub(channel) == [(channel, 1)]
    assert raw_redis.publish(channel, "a task that is no longer expected") == 1


def test_a_lost_connection_wakes_every_watch(redis_program_path: Path, tmp_path: Path) -> None:
    server = RedisServer(redis_program_path, tmp_path)
    server.start()
    store = Store.at(server.url)
    channel = store.keys.inbox(store.inbox.name)
    was_open: list[bool] = []
    with store.inbox.expect("a task") as watch:
        await_inbox(store)
        watch.notify = lambda _: was_open.append(store.subscriber.is_confirmed(channel))
        server.stop()
        wait_until(lambda: was_open, 15, "the notification that messages may be missed from now on")
        server.start()
        # Each failed attempt to connect notifies as well; this one comes with the new subscription.
        wait_until(lambda: True in was_open, 15, "the notification that some may have been missed")
        assert was_open[0] is False
    store.close()
    server.stop()
