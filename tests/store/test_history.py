"""The history records every change of a task's status, whoever makes it."""

from __future__ import annotations

from dataclasses import replace

import redis

from app.domain.outcome import Ending, Failure, Outcome
from app.domain.status import Status
from app.store.messages import NO_MESSAGE
from app.store.record import HISTORY_LENGTH, Change
from app.store.store import Store
from app.store.tasks import MAX_LOSSES
from tests.conftest import VirtualClock
from tests.store.making import (
    ENTRY,
    FAILED,
    LEASE_MS,
    STOPPED,
    SUCCEEDED,
    WORKER,
    WORKER_LOST,
    claimed,
    created,
    message_for,
    new_task,
)

BEAT = "beat@here"
WAITING, QUEUED, RUNNING = Status.WAITING, Status.QUEUED, Status.RUNNING


def history(store: Store, task_id: str) -> list[Change]:
    task = store.tasks.get(task_id)
    assert task is not None
    return list(task.history)


def again(store: Store, task_id: str, clock: VirtualClock, outcome: Outcome = FAILED, pause_ms: int = 0) -> None:
    attempt = claimed(store, task_id, clock())
    store.tasks.run_again(
        attempt, outcome, clock(), 1.0, clock() + pause_ms, message_for(task_id), Ending.COUNTED, entry=ENTRY
    )


def test_from_creation_through_a_retry_to_the_end(store: Store, clock: VirtualClock) -> None:
    task_id, begun = created(store, clock()), clock()
    clock.advance(10)
    again(store, task_id, clock, pause_ms=1_000)
    clock.advance(1_000)
    store.tasks.finish(claimed(store, task_id, clock(), "other@there"), SUCCEEDED, clock.advance(5), 5.0)
    assert history(store, task_id) == [
        Change(begun, None, QUEUED, "api", "created"),
        Change(begun + 10, QUEUED, RUNNING, WORKER, "attempt 1 starts"),
        Change(begun + 10, RUNNING, WAITING, WORKER, "ValueError"),
        Change(begun + 1_010, WAITING, RUNNING, "other@there", "attempt 2 starts"),
        Change(begun + 1_015, RUNNING, Status.SUCCEEDED, "other@there", "returned"),
    ]


def test_each_retry_has_its_start(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    for _ in range(3):
        again(store, task_id, clock, pause_ms=1_000)
        clock.advance(1_000)
    retried = [(WAITING, RUNNING), (RUNNING, WAITING)]
    assert [(change.before, change.after) for change in history(store, task_id)] == [
        (None, QUEUED), (QUEUED, RUNNING), (RUNNING, WAITING), *retried, *retried,
    ]  # fmt: skip


def test_a_waiting_task_is_queued_by_a_beat(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    assert [change.after for change in history(store, task_id)] == [WAITING]
    clock.advance(60_000)
    near = store.recovery.waiting_until(clock(), 10)
    store.recovery.send([(task, message_for(task.task_id)) for task in near], clock(), BEAT)
    assert history(store, task_id)[1:] == [Change(clock(), WAITING, QUEUED, BEAT, "due")]


def test_a_countdown_that_no_worker_starts_is_queued_by_a_beat(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), due_ms=clock() + 1_000)
    store.recovery.mark_overdue(clock.advance(2_000), clock(), 10, BEAT)
    assert history(store, task_id)[1:] == [Change(clock(), WAITING, QUEUED, BEAT, "due")]


def test_a_change_that_makes_the_task_due(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), due_ms=clock() + 60_000, message=NO_MESSAGE)
    seen = store.tasks.get(task_id)
    assert seen is not None
    assert store.tasks.change(seen, new_task(clock(), id=task_id), clock())
    assert history(store, task_id)[1:] == [Change(clock(), WAITING, QUEUED, "api", "changed to be due now")]


def test_a_stop_names_the_requester_or_the_worker_that_ended_the_task(store: Store, clock: VirtualClock) -> None:
    queued, running, unheard = created(store, clock()), created(store, clock()), created(store, clock())
    store.tasks.stop(queued, clock())
    attempt = claimed(store, running, clock())
    claimed(store, unheard, clock())
    store.tasks.stop(running, clock())
    store.tasks.finish(attempt, STOPPED, clock(), 1.0)
    store.tasks.stop(unheard, clock(), force=True)
    why = "stop requested"
    assert history(store, queued)[-1] == Change(clock(), QUEUED, Status.STOPPED, "api", why)
    assert history(store, running)[-1] == Change(clock(), RUNNING, Status.STOPPED, WORKER, why)
    assert history(store, unheard)[-1] == Change(clock(), RUNNING, Status.STOPPED, "api", why)


def test_a_stop_that_replaces_a_retry_is_the_reason(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), message_for(task_id), Ending.COUNTED, entry=ENTRY)
    assert history(store, task_id)[-1] == Change(clock(), RUNNING, Status.STOPPED, WORKER, "stop requested")


def test_lost_workers(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    for _ in range(MAX_LOSSES):
        claimed(store, task_id, clock())
        clock.advance(LEASE_MS + 1)
        (lost,) = store.recovery.expired_leases(clock(), 10)
        store.recovery.take_back(lost, clock(), message_for(task_id), MAX_LOSSES, WORKER_LOST, ENTRY, BEAT)
    ends = [change for change in history(store, task_id) if change.before is RUNNING]
    assert [change.after for change in ends] == [QUEUED, QUEUED, Status.FAILED]
    assert {(change.who, change.why) for change in ends} == {(BEAT, "lease expired")}


def test_a_stop_that_a_lost_worker_did_not_see(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    claimed(store, task_id, clock())
    store.tasks.stop(task_id, clock())
    (lost,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    store.recovery.take_back(lost, clock(), message_for(task_id), MAX_LOSSES, WORKER_LOST, ENTRY, BEAT)
    assert history(store, task_id)[-1] == Change(clock(), RUNNING, Status.STOPPED, BEAT, "stop requested")


def test_the_newest_fifty_are_kept(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    for number in range(1, 41):
        assert len(history(store, task_id)) == min(2 * number - 1, HISTORY_LENGTH)
        again(store, task_id, clock)
    kept = history(store, task_id)
    assert len(kept) == HISTORY_LENGTH
    assert kept[-2].why == "attempt 40 starts"
    assert raw_redis.llen(f"{store.keys.task(task_id)}:history") == HISTORY_LENGTH


def test_a_reason_is_short_and_may_contain_anything(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    nasty = replace(FAILED, failure=Failure("a\tb\n" + "c" * 1000, "no"))
    again(store, task_id, clock, nasty)
    assert history(store, task_id)[-1].why == ("a\tb\n" + "c" * 1000)[:100]


def test_a_deleted_task_leaves_no_history(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    again(store, task_id, clock)
    store.tasks.delete(task_id)
    assert raw_redis.keys(f"*{task_id}*") == []
