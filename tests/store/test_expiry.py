"""A task with `expires_in` starts in time, or fails: at the claim, or by recovery if no worker claims it."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.domain.outcome import Ending
from app.domain.status import Status
from app.settings import Settings
from app.store.messages import NO_MESSAGE
from app.store.record import Change, Task
from app.store.store import Store
from app.store.tasks import Attempt
from app.usecases.dispatch import Dispatcher
from app.usecases.recovery import EXPIRY_STEP, Recovery
from tests.conftest import VirtualClock
from tests.store.making import (
    FAILED,
    LEASE_MS,
    WORKER,
    WORKER_LOST,
    PlainMessages,
    claimed,
    created,
    due,
    message_for,
    scheduled,
)

EXPIRED = {
    "type": "ExpiredError",
    "message": "the task had not started when expires_in was over",
    "line": None,
    "traceback": None,
}


def claim(store: Store, task_id: str, clock: VirtualClock) -> Attempt | str:
    return store.tasks.claim(task_id, WORKER, clock(), clock() + LEASE_MS)


def task(store: Store, task_id: str) -> Task:
    found = store.tasks.get(task_id)
    assert found is not None
    return found


def recovery(store: Store) -> Recovery:
    return Recovery(store, Dispatcher(PlainMessages(), 5.0), Settings(), "beat@here")


def places(raw: redis.Redis, task_id: str) -> list[str]:
    """The sets that could start or end a task, and have it."""
    names = ("due", "sent", "leases", "expiring")
    keys = [f"celeriac:{name}" for name in names] + raw.keys("celeriac:queued:*")
    return [key for key in keys if raw.zscore(key, task_id) is not None]


def assert_expired(store: Store, task_id: str, raw: redis.Redis) -> None:
    found = task(store, task_id)
    assert (found.status, found.error, found.attempt, found.started_ms) == (Status.FAILED, EXPIRED, 0, None)
    assert places(raw, task_id) == []


@pytest.mark.parametrize("expires_in", [1.5, 1.4995])
def test_a_claim_at_the_last_moment_starts_it(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, expires_in: float
) -> None:
    task_id = created(store, clock(), expires_in=expires_in)
    clock.advance(1_500)
    assert recovery(store).expire(clock()) == 0
    assert isinstance(claim(store, task_id, clock), Attempt)
    assert raw_redis.exists("celeriac:expiring") == 0
    clock.advance(60_000)
    assert recovery(store).expire(clock()) == 0, "it has started"


def test_a_claim_that_comes_later_fails_it(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id, begun = created(store, clock(), expires_in=1.5), clock()
    clock.advance(1_501)
    assert claim(store, task_id, clock) == "expired"
    assert_expired(store, task_id, raw_redis)
    assert claim(store, task_id, clock) == "failed"
    assert task(store, task_id).history == [
        Change(begun, None, Status.QUEUED, "api", "created"),
        Change(begun + 1_501, Status.QUEUED, Status.FAILED, WORKER, "ExpiredError"),
    ]


DELAYS = pytest.mark.parametrize("delay_ms", [0, 2_000, 60_000])


def delayed(store: Store, clock: VirtualClock, delay_ms: int) -> str:
    more: dict[str, Any] = {"message": NO_MESSAGE} if delay_ms > 5_000 else {}
    return created(store, clock(), due_ms=clock() + delay_ms, expires_in=10, **more)


@DELAYS
def test_a_task_that_has_started_has_a_lease_and_nothing_else_could_start_or_end_it(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, delay_ms: int
) -> None:
    task_id = delayed(store, clock, delay_ms)
    claimed(store, task_id, clock.advance(delay_ms))
    assert places(raw_redis, task_id) == ["celeriac:leases"]


@DELAYS
def test_recovery_fails_what_no_worker_claims(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, delay_ms: int
) -> None:
    task_id = delayed(store, clock, delay_ms)
    clock.advance(delay_ms + 10_000)
    assert recovery(store).expire(clock()) == 0, "it counts from when the task is due"
    clock.advance(1)
    assert recovery(store).expire(clock()) == 1
    assert_expired(store, task_id, raw_redis)
    assert claim(store, task_id, clock) == "failed", "its message may still come"
    assert recovery(store).expire(clock()) == 0


def test_one_round_fails_many(store: Store, clock: VirtualClock) -> None:
    for _ in range(EXPIRY_STEP + 1):
        created(store, clock(), expires_in=0.1)
    assert recovery(store).expire(clock.advance(101)) == EXPIRY_STEP + 1


def test_a_retry_does_not_expire(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), expires_in=1)
    attempt, due_ms = claimed(store, task_id, clock()), clock() + 60_000
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, due_ms, NO_MESSAGE, Ending.COUNTED, entry=None)
    clock.advance(90_000)
    assert recovery(store).expire(clock()) == 0
    assert isinstance(claim(store, task_id, clock), Attempt)


def test_an_attempt_of_a_lost_worker_does_not_expire(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), expires_in=1)
    claimed(store, task_id, clock())
    (lost,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
    store.recovery.take_back(lost, clock(), message_for(task_id), 3, WORKER_LOST, {})
    assert recovery(store).expire(clock()) == 0
    assert isinstance(claim(store, task_id, clock), Attempt)


def test_a_first_attempt_that_was_given_back_must_start_in_time_again(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    task_id = created(store, clock(), expires_in=10)
    attempt = claimed(store, task_id, clock())
    clock.advance(1_000)
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), message_for(task_id), Ending.RETURNED, entry=None)
    clock.advance(9_001)
    assert recovery(store).expire(clock()) == 1
    assert_expired(store, task_id, raw_redis)


def test_a_task_of_a_firing_expires(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock(), expires_in=5)
    assert schedule.next_run_ms is not None
    clock.now_ms = schedule.next_run_ms
    store.firings.fire([due(schedule)], clock())
    fired = store.schedules.get(schedule.id)
    assert fired is not None
    assert recovery(store).expire(clock.advance(5_001)) == 1
    assert_expired(store, fired.last_task_id or "", raw_redis)


def test_what_is_deleted_or_stopped_leaves_nothing(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    deleted, stopped = created(store, clock(), expires_in=5), created(store, clock(), expires_in=5)
    store.tasks.delete(deleted)
    store.tasks.stop(stopped, clock())
    assert raw_redis.exists("celeriac:expiring") == 0
    assert task(store, stopped).status is Status.STOPPED
