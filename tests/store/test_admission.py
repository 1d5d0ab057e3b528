"""Conditions for creation: the maximum number of waiting tasks, and repeated requests."""

from __future__ import annotations

import pytest
import redis

from app.domain.errors import Full
from app.store.admission import Conditions, EarlierRequest
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.store.making import MESSAGE, claimed, created, finished, new_schedule, new_task, scheduled

KEYED = Conditions(key="k", fingerprint="f")


def test_only_waiting_and_queued_tasks_are_counted(store: Store, clock: VirtualClock) -> None:
    now_ms = clock()
    created(store, now_ms)
    created(store, now_ms, due_ms=now_ms + 1_000)  # its message was sent as a countdown
    created(store, now_ms, due_ms=now_ms + 60_000, message=NO_MESSAGE)
    assert store.admission.waiting() == 3
    finished(store, now_ms)
    claimed(store, created(store, now_ms), now_ms)
    scheduled(store, now_ms)
    assert store.admission.waiting() == 3


def test_a_batch_is_created_completely_or_not_at_all(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    now_ms = clock()
    created(store, now_ms)
    before = raw_redis.dbsize()
    three = [new_task(now_ms) for _ in range(3)]
    with pytest.raises(Full):
        store.tasks.create(three, now_ms, Conditions(3))
    assert (store.admission.waiting(), raw_redis.dbsize()) == (1, before)
    assert store.tasks.create(three, now_ms, Conditions(4)) == 3
    with pytest.raises(Full):
        store.tasks.create([new_task(now_ms)], now_ms, Conditions(4))
    assert store.tasks.create([new_task(now_ms)], now_ms) == 1, "without conditions any number may wait"


@pytest.mark.parametrize("ahead_ms", [0, 1_000, 60_000], ids=["queued", "sent", "waiting"])
def test_every_kind_of_waiting_task_counts(store: Store, clock: VirtualClock, ahead_ms: int) -> None:
    message = NO_MESSAGE if ahead_ms == 60_000 else MESSAGE
    created(store, clock(), due_ms=clock() + ahead_ms, message=message)
    with pytest.raises(Full):
        store.tasks.create([new_task(clock())], clock(), Conditions(1))


def test_a_refused_request_is_not_remembered(store: Store, clock: VirtualClock) -> None:
    with pytest.raises(Full):
        store.tasks.create([new_task(clock())], clock(), Conditions(0, "k", "f"))
    assert store.admission.remembered("k") is None


def test_the_first_request_is_remembered_whatever_it_created(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    task, other, made = new_task(clock()), new_task(clock()), new_schedule(clock())
    assert store.schedules.run_now(schedule.id, task, clock(), KEYED) is True
    first = EarlierRequest("f", task.id, clock())
    clock.advance(1)
    assert store.admission.remembered("k") == first
    assert store.schedules.run_now(schedule.id, other, clock(), KEYED) == first
    assert store.tasks.create([other], clock(), Conditions(0, "k", "another body")) == first
    assert store.schedules.create(made, clock(), KEYED) == first
    assert store.schedules.create(made, clock(), Conditions(key="l", fingerprint="f")) == made.id


def test_a_call_sent_twice_by_the_client_counts_once(store: Store, clock: VirtualClock) -> None:
    """redis-py sends a call again if the connection was lost, although Redis may have executed it."""
    schedule, task, made = scheduled(store, clock()), new_task(clock()), new_schedule(clock())
    last = new_task(clock())
    assert store.tasks.create([last], clock(), Conditions(1)) == 1
    assert store.tasks.create([last], clock(), Conditions(1)) == 0, "the task itself took the last place"
    for _ in range(2):
        assert store.schedules.run_now(schedule.id, task, clock(), KEYED) is True
    found = store.schedules.get(schedule.id)
    assert found is not None
    assert (found.run_count, found.last_task_id) == (1, task.id)
    for _ in range(2):
        assert store.schedules.create(made, clock(), Conditions(key="l", fingerprint="f")) == made.id
    assert store.schedules.run_now(made.id.replace("0", "1"), task, clock(), KEYED) is False


def test_the_share_of_the_memory(store: Store, raw_redis: redis.Redis) -> None:
    assert store.admission.memory_share() == 0, "Redis has no memory limit"
    raw_redis.config_set("maxmemory", str(raw_redis.info("memory")["used_memory"] * 2))
    try:
        assert 0.4 < store.admission.memory_share() < 0.6
    finally:
        raw_redis.config_set("maxmemory", "0")
