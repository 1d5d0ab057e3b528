"""A small task is one key; what another field tells is not stored and is read all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.outcome import Ending
from app.domain.status import Kind, Status
from app.store.bodies import INLINE_BYTES
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.record import Task
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.store.making import (
    API_SPEC,
    FAILED,
    SPEC,
    SUCCEEDED,
    claimed,
    created,
    due,
    firing,
    message_for,
    new_task,
    scheduled,
)

#: What the record of a queued, and of a finished small task may take by MEMORY USAGE.
MOST_QUEUED_BYTES, MOST_FINISHED_BYTES = 260, 350


def read(store: Store, task_id: str) -> Task:
    task = store.tasks.get(task_id)
    assert task is not None
    return task


def keys_of(raw: redis.Redis, task_id: str) -> list[str]:
    return [key.removeprefix(f"celeriac:t:{task_id}") for key in sorted(raw.keys(f"*{task_id}*"))]


def test_a_small_task_has_one_key_of_few_bytes(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock(), tags=["a-tag"])
    assert keys_of(raw_redis, task_id) == [""]
    assert (raw_redis.memory_usage(store.keys.task(task_id), samples=0) or 0) <= MOST_QUEUED_BYTES
    store.tasks.finish(claimed(store, task_id, clock()), replace(SUCCEEDED, stdout=""), clock(), 3.87)
    assert keys_of(raw_redis, task_id) == [""]
    assert (raw_redis.memory_usage(store.keys.task(task_id), samples=0) or 0) <= MOST_FINISHED_BYTES


@pytest.mark.parametrize("length", [INLINE_BYTES - 2, INLINE_BYTES - 1, 5_000])
def test_a_result_is_read_wherever_it_is_kept(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, length: int
) -> None:
    task_id, result = created(store, clock()), f'"{"x" * length}"'
    store.tasks.finish(claimed(store, task_id, clock()), replace(SUCCEEDED, result_json=result.encode()), clock(), 1.0)
    assert read(store, task_id).result_json == result
    assert (":result" in keys_of(raw_redis, task_id)) == (len(result) > INLINE_BYTES)


def test_no_result_and_null_are_the_same(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    store.tasks.finish(claimed(store, task_id, clock()), replace(SUCCEEDED, result_json=b"null"), clock(), 1.0)
    assert read(store, task_id).result_json is None
    assert not raw_redis.hexists(store.keys.task(task_id), "re")


def test_another_attempt_has_neither_result_of_the_one_before(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    failed = replace(FAILED, result_json=b'"short"')
    store.tasks.run_again(
        claimed(store, task_id, clock()), failed, clock(), 1.0, clock(), NO_MESSAGE, Ending.COUNTED, entry={}
    )
    assert read(store, task_id).result_json == '"short"', "until the next attempt"
    claimed(store, task_id, clock())
    assert read(store, task_id).result_json is None


@pytest.mark.parametrize("kind", Kind)
def test_defaults_of_the_body_are_read(store: Store, raw_redis: redis.Redis, clock: VirtualClock, kind: Kind) -> None:
    task_id = created(store, clock(), kind=kind)
    assert read(store, task_id).spec == {Kind.CODE: SPEC, Kind.API: API_SPEC}[kind]
    assert keys_of(raw_redis, task_id) == [""]


def test_a_creation_is_dated_by_its_place_or_else_by_its_field(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    first, second = created(store, clock()), created(store, clock())
    earlier = created(store, clock.advance(-60_000))
    for task_id, is_stored in ((first, False), (second, False), (earlier, True)):
        assert raw_redis.hexists(store.keys.task(task_id), "cr") == is_stored
    assert read(store, first).created_ms - read(store, earlier).created_ms == 60_000
    assert read(store, earlier).created_ms == clock()
    later = Filters(created_after_ms=clock() + 30_000)
    assert [task.id for task in store.listing.page(later, 10).items] == [second, first]


def queued_ms(store: Store, task_id: str) -> Any:
    return read(store, task_id).queued_ms


def test_when_a_task_was_queued(store: Store, clock: VirtualClock) -> None:
    due_ms = clock() + 10_000
    at_once, waiting = created(store, clock()), created(store, clock(), due_ms=due_ms, message=NO_MESSAGE)
    countdown = created(store, clock(), due_ms=due_ms)
    assert (queued_ms(store, at_once), queued_ms(store, waiting)) == (clock(), None)
    store.tasks.stop(waiting, clock())
    assert (read(store, waiting).status, queued_ms(store, waiting)) == (Status.STOPPED, None)
    clock.advance(10_400)
    claimed(store, countdown, clock())
    assert queued_ms(store, countdown) == due_ms


def test_the_task_of_a_late_firing_was_queued_when_it_fired(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    fired = firing(schedule.id, clock.advance(60_000))
    store.firings.fire([due(schedule, firings=[fired])], clock.advance(700))
    assert (queued_ms(store, fired.task_id), read(store, fired.task_id).due_ms) == (clock(), clock() - 700)


def test_all_is_read_of_a_late_task_that_a_clock_behind_creates(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    now_ms = clock.advance(-60_000)
    new = new_task(now_ms, due_ms=now_ms - 700, scheduled_task_id=schedule.id, tags=["a"])
    assert store.tasks.create([new], now_ms) == 1
    task = read(store, new.id)
    assert (task.created_ms, task.queued_ms, task.due_ms) == (now_ms, now_ms, now_ms - 700)
    assert (task.scheduled_task_id, task.spec) == (schedule.id, new.spec)


def test_a_task_that_expired_while_it_waited_was_never_queued(store: Store, clock: VirtualClock) -> None:
    task = new_task(clock(), due_ms=clock() + 1_000, expires_in=1.0, message=message_for(""))
    store.tasks.create([task], clock())
    assert store.tasks.expire(clock.advance(5_000), 10, "beat") == 1
    assert (read(store, task.id).status, queued_ms(store, task.id)) == (Status.FAILED, None)
