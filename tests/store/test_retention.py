"""Stored data is bounded in size and age, exactly at the bounds and down to the last key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.outcome import Ending
from app.settings import Settings
from app.store.admission import Conditions, EarlierRequest
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.retention import TRIM_BATCH, Retention
from tests.conftest import VirtualClock
from tests.store.making import (
    COUNTERS,
    FAILED,
    STOPPED,
    SUCCEEDED,
    claimed,
    created,
    finished,
    message_for,
    new_schedule,
    new_task,
    scheduled,
)

TTL_SECONDS = 60.0
TTL_MS = 60_000


def retention_of(store: Store, **settings: float) -> Retention:
    return Retention(store.retention, replace(Settings(), **settings))  # type: ignore[arg-type]


def kept(store: Store, **filters: str) -> list[str]:
    return [task.id for task in reversed(store.listing.page(Filters(**filters), 200).items)]  # type: ignore[arg-type]


def keys_of_tasks(raw: redis.Redis) -> set[str]:
    """All keys except the sequence, the counters of minutes and errors, and the messages that workers will discard."""
    passing = (*COUNTERS, "celeriac:error", "celeriac:call:", "celeriac:celeriac.")
    return {key for key in raw.keys("*") if not key.startswith(passing)} - {"celeriac:seq"}


def full_life(store: Store, clock: VirtualClock, schedule_id: str) -> str:
    """The id of a task that has everything a task can have: tags, attempts, a history, a result, output, an error."""
    task_id = created(store, clock(), name="Ü", tags=("a", "b:c"), scheduled_task_id=schedule_id)
    attempt, entry = claimed(store, task_id, clock()), {"attempt": 1}
    store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), message_for(task_id), Ending.COUNTED, entry=entry)
    failed = replace(SUCCEEDED, failure=FAILED.failure)
    store.tasks.finish(claimed(store, task_id, clock()), failed, clock(), 1.0)
    return task_id


def test_nothing_is_left_of_an_expired_task(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    before = keys_of_tasks(raw_redis)
    full_life(store, clock, schedule.id)
    assert len(keys_of_tasks(raw_redis)) > len(before) + 5
    retention = retention_of(store, result_ttl=TTL_SECONDS)
    assert retention.trim(clock.advance(TTL_MS)) == 0
    assert retention.trim(clock.advance(1)) == 1
    assert keys_of_tasks(raw_redis) == before


def test_nothing_is_left_of_a_task_beyond_the_limit(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    full_life(store, clock, schedule.id)
    last = finished(store, clock.advance(1), STOPPED)
    assert retention_of(store, max_finished_tasks=1).trim(clock()) == 1
    assert kept(store) == [last]
    assert kept(store, tag="a") == kept(store, scheduled_task_id=schedule.id) == []
    store.tasks.delete(last)
    store.schedules.delete(schedule.id)
    assert keys_of_tasks(raw_redis) == set()


@pytest.mark.parametrize("extra", [0, 1, TRIM_BATCH - 1, TRIM_BATCH, TRIM_BATCH + 1])
def test_exactly_the_permitted_number_is_kept(store: Store, clock: VirtualClock, extra: int) -> None:
    ids = [finished(store, clock.advance(1)) for _ in range(3 + extra)]
    assert retention_of(store, max_finished_tasks=3).trim(clock()) == extra
    assert kept(store) == ids[extra:]


def test_two_processes_remove_no_more_than_one(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [finished(store, clock.advance(1)) for _ in range(8)]
    one, other = (retention_of(store, max_finished_tasks=3) for _ in range(2))
    remove = store.retention.trim_oldest

    def remove_after_the_other(*arguments: Any) -> int:
        monkeypatch.setattr(store.retention, "trim_oldest", remove)
        assert other.trim(clock()) == 5
        return remove(*arguments)

    monkeypatch.setattr(store.retention, "trim_oldest", remove_after_the_other)
    assert one.trim(clock()) == 0
    assert kept(store) == ids[5:]


def test_those_that_finished_first_are_removed_first(store: Store, clock: VirtualClock) -> None:
    """A task that waited for long is not removed the moment that it has finished."""
    slow = claimed(store, created(store, clock()), clock())
    quick = [finished(store, clock.advance(1)) for _ in range(3)]
    store.tasks.finish(slow, SUCCEEDED, clock.advance(1), 1.0)
    assert retention_of(store, max_finished_tasks=2).trim(clock()) == 2
    assert kept(store) == [slow.task_id, quick[2]]


def test_a_search_for_old_tasks_goes_on_behind_the_last_one_and_ends_with_the_index(
    store: Store, clock: VirtualClock
) -> None:
    """The first task was created before the second, and finished after it."""
    slow = claimed(store, created(store, clock()), clock())
    finished(store, clock.advance(1))
    store.tasks.finish(slow, SUCCEEDED, clock.advance(10), 1.0)
    index = store.keys.task_index("code", "immediate", "succeeded")
    _, place = store.retention.trim(index, "-inf", 1, clock())
    assert place
    assert store.retention.trim(index, place, 1, clock())[0] == 1
    assert store.retention.trim(index, "-inf", 2, clock()) == (0, ""), "it has finished then, and not before"
    assert store.retention.trim(index, "-inf", 2, clock() + 1) == (1, "")


def test_counters_and_indexes_agree_after_trimming(store: Store, clock: VirtualClock) -> None:
    for outcome in (SUCCEEDED, FAILED, STOPPED, SUCCEEDED):
        finished(store, clock.advance(1), outcome)
    created(store, clock())
    retention_of(store, max_finished_tasks=2).trim(clock())
    stats = store.stats.read({}, clock())
    assert sum(stats.tasks.values()) == len(kept(store)) == 3
    assert sum(minute.succeeded + minute.failed + minute.stopped for minute in stats.minutes) == 4, (
        "the removed tasks still count as finished"
    )


def test_unfinished_tasks_are_never_removed(store: Store, clock: VirtualClock) -> None:
    waiting = created(store, clock(), due_ms=clock() + 10**10, message=NO_MESSAGE)
    queued, running = created(store, clock()), created(store, clock())
    claimed(store, running, clock())
    retention_of(store, max_finished_tasks=1, result_ttl=0.1).trim(clock.advance(10**9))
    assert sorted(kept(store)) == sorted([waiting, queued, running])


def test_a_remembered_request_outlives_its_task(store: Store, clock: VirtualClock) -> None:
    conditions = Conditions(key="k", fingerprint="f")
    task = new_task(clock())
    assert store.tasks.create([task], clock(), conditions) == 1
    assert store.tasks.create([task], clock(), conditions) == 0, (
        "the client sent the same call twice: that is no repetition"
    )
    store.tasks.finish(claimed(store, task.id, clock()), SUCCEEDED, clock(), 1.0)
    first = EarlierRequest("f", task.id, clock())
    retention_of(store, result_ttl=TTL_SECONDS).trim(clock.advance(TTL_MS + 1))
    assert store.tasks.get(task.id) is None
    assert store.tasks.create([new_task(clock())], clock(), conditions) == first
    assert store.schedules.create(new_schedule(clock()), clock(), conditions) == first
    assert kept(store) == []


def test_firings_of_a_schedule_and_attempts_of_a_task_are_bounded(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    task_id = created(store, clock(), max_retries=100)
    for number in range(30):
        attempt = claimed(store, task_id, clock())
        entry = {"attempt": number}
        store.tasks.run_again(attempt, FAILED, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry=entry)
    task = store.tasks.get(task_id)
    assert task is not None
    assert len(task.attempts) <= 20
    assert raw_redis.llen(f"celeriac:t:{task_id}:attempts") <= 20
    assert json.loads(raw_redis.lindex(f"celeriac:t:{task_id}:attempts", -1) or "") == {"attempt": 29}
