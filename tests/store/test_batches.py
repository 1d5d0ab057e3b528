"""Batches on a real server: all of a batch or nothing, whatever dies between its steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.errors import Full, Unavailable
from app.domain.ids import batch_ids, first_batch_id
from app.settings import Settings
from app.store import batches
from app.store.admission import Conditions, EarlierRequest
from app.store.listing import Filters
from app.store.store import Store
from app.store.tasks import NewTask
from app.usecases.dispatch import Dispatcher
from app.usecases.maintenance import Maintenance
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages, message_for, new_task

NUMBER = 250
KEYED = Conditions(key="k", fingerprint="f")


def tasks_of(first_id: str, now_ms: int, number: int = NUMBER) -> list[NewTask]:
    return [new_task(now_ms, id=task_id, message=message_for(task_id)) for task_id in batch_ids(first_id, number)]


def listed(store: Store) -> list[str]:
    """The ids of all tasks, the oldest first."""
    found, cursor = list[str](), None
    while True:
        page = store.listing.page(Filters(), 200, cursor)
        found += [task.id for task in page.items]
        cursor = page.cursor
        if cursor is None:
            return found[::-1]


def keys_of_batches(raw: redis.Redis) -> set[str]:
    return {key for key in raw.keys("*") if "batch" in key or key.endswith(":promised")}


def recover(store: Store, clock: VirtualClock) -> None:
    Maintenance(store, Dispatcher(PlainMessages(), 5.0), Settings(), "beat").run(clock())


@pytest.mark.parametrize("number", [1, 99, 100, 101, 250, 1000])
def test_all_are_created_in_their_order(store: Store, raw_redis: redis.Redis, clock: VirtualClock, number: int) -> None:
    first_id = first_batch_id(clock())
    tasks = tasks_of(first_id, clock(), number)
    assert store.batches.create(first_id, tasks, clock()) is None
    store.batches.complete(first_id)
    ids = [task.id for task in tasks]
    assert listed(store) == ids == sorted(set(ids))
    assert raw_redis.llen(tasks[0].message.queue_key) == number
    assert raw_redis.zcard("celeriac:queued:code:5") == number
    assert keys_of_batches(raw_redis) == set()
    after = new_task(clock())
    store.tasks.create([after], clock())
    assert listed(store)[-1] == after.id, "what is created later is listed later"


def test_what_dies_before_the_decision_leaves_nothing_but_texts_that_expire(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_id = first_batch_id(clock())
    real = store.batches._stage

    def die_at_the_third(key: str, values: list[object]) -> None:
        if key.endswith(":2"):
            raise Unavailable("died")
        real(key, values)

    monkeypatch.setattr(store.batches, "_stage", die_at_the_third)
    with pytest.raises(Unavailable, match="died"):
        store.batches.create(first_id, tasks_of(first_id, clock()), clock(), KEYED)
    recover(store, clock)
    assert listed(store) == []
    assert store.admission.remembered("k") is None
    left = keys_of_batches(raw_redis)
    assert len(left) == 2
    assert all(0 < raw_redis.ttl(key) <= batches.STAGED_SECONDS for key in left)  # type: ignore[operator]


@pytest.mark.parametrize("applied", [0, 1, 2])
def test_what_dies_after_the_decision_is_completed_by_recovery(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, applied: int
) -> None:
    first_id, created_ms = first_batch_id(clock()), clock()
    tasks = tasks_of(first_id, created_ms)
    store.batches.create(first_id, tasks, created_ms, KEYED)
    for _ in range(applied):
        assert store.batches._scripts("batch_apply", batch_id=first_id) > 0
    assert len(listed(store)) == applied * batches.CHUNK_TASKS
    assert {raw_redis.ttl(key) for key in keys_of_batches(raw_redis)} == {-1}, "a promise does not expire"
    younger = new_task(clock.advance(60_000))
    store.tasks.create([younger], clock())
    recover(store, clock)
    assert listed(store) == [*(task.id for task in tasks), younger.id]
    assert keys_of_batches(raw_redis) == set()
    task = store.tasks.get(tasks[-1].id)
    assert task is not None
    assert (task.created_ms, task.queued_ms) == (created_ms, created_ms)
    recover(store, clock)
    store.batches.complete(first_id)
    assert len(listed(store)) == NUMBER + 1, "nothing is created twice"


def test_a_call_that_is_sent_again_after_recovery_has_created_all_of_the_batch_has_decided(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_id, once = first_batch_id(clock()), store.batches._scripts

    def without_reply(script: str, **values: Any) -> Any:
        if script == "batch_commit":
            once(script, **values)
            recover(store, clock)
        return once(script, **values)

    tasks = tasks_of(first_id, clock())
    with monkeypatch.context() as patch:
        patch.setattr(store.batches, "_scripts", without_reply)
        assert store.batches.create(first_id, tasks, clock(), KEYED) is None
    assert listed(store) == [task.id for task in tasks]
    assert keys_of_batches(raw_redis) == set()


def test_a_call_that_is_sent_again_decides_once(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    first_id = first_batch_id(clock())
    tasks = tasks_of(first_id, clock())
    for _ in range(2):
        assert store.batches.create(first_id, tasks, clock(), KEYED) is None
    assert raw_redis.get("celeriac:promised") == str(NUMBER)
    store.batches.complete(first_id)
    assert len(listed(store)) == NUMBER


def test_a_staged_part_that_expired_refuses_the_whole(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_id = first_batch_id(clock())
    real = store.batches._stage

    def stage(key: str, values: list[object]) -> None:
        real(key, values)
        if key.endswith(":1"):
            raw_redis.delete(key)

    monkeypatch.setattr(store.batches, "_stage", stage)
    with pytest.raises(Unavailable):
        store.batches.create(first_id, tasks_of(first_id, clock()), clock(), KEYED)
    assert listed(store) == []
    left = keys_of_batches(raw_redis)
    assert left
    assert all(raw_redis.ttl(key) > 0 for key in left)  # type: ignore[operator]
    assert store.admission.remembered("k") is None


@pytest.mark.parametrize("number", [50, NUMBER])
def test_a_repeated_request_creates_nothing(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, number: int
) -> None:
    first_id, now_ms = first_batch_id(clock()), clock()
    assert store.batches.create(first_id, tasks_of(first_id, now_ms, number), now_ms, KEYED) is None
    store.batches.complete(first_id)
    second_id = first_batch_id(clock.advance(5))
    again = store.batches.create(second_id, tasks_of(second_id, clock(), number), clock(), KEYED)
    assert again == EarlierRequest("f", first_id, now_ms)
    assert len(listed(store)) == number
    assert keys_of_batches(raw_redis) == set()


def test_the_bound_counts_what_is_promised(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    conditions = Conditions(most_waiting=NUMBER + 1)
    first_id = first_batch_id(clock())
    store.batches.create(first_id, tasks_of(first_id, clock()), clock(), conditions)
    other_id = first_batch_id(clock())
    with pytest.raises(Full):
        store.batches.create(other_id, tasks_of(other_id, clock(), 101), clock(), conditions)
    assert not any(other_id in key for key in raw_redis.keys("*")), "what was staged is removed"
    assert store.tasks.create([new_task(clock())], clock(), conditions) == 1
    with pytest.raises(Full):
        store.tasks.create([new_task(clock())], clock(), conditions)
    store.batches.complete(first_id)
    with pytest.raises(Full):
        store.tasks.create([new_task(clock())], clock(), conditions)


def test_large_tasks_are_spread_over_more_calls(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    first_id = first_batch_id(clock())
    large = {"function_code": "#" * (batches.CHUNK_CHARACTERS // 3)}
    tasks = [replace(task, spec={**task.spec, **large}) for task in tasks_of(first_id, clock(), 5)]
    store.batches.create(first_id, tasks, clock())
    assert raw_redis.hget(f"celeriac:batch:{first_id}", "chunks") == "3"
    store.batches.complete(first_id)
    assert len(listed(store)) == 5
