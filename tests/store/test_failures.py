"""What is kept of failures with one fingerprint, and how long."""

from __future__ import annotations

import pytest
import redis

from app.store.admission import Conditions
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.store.making import FAILED, created, finished, new_task, scheduled

DAY_MS = 86_400_000


def test_a_group_names_the_last_five_schedules_and_goes_a_month_after_the_last_failure(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    schedules = [scheduled(store, clock()).id for _ in range(7)]
    for schedule_id in schedules:
        finished(store, clock.advance(1), FAILED, scheduled_task_id=schedule_id)
    (group,) = store.failures.groups(None, 10)
    assert (group.count, group.last_ms - group.first_ms) == (7, 6)
    names = f"{store.keys.error_group(group.fingerprint)}:by"
    assert raw_redis.zrange(names, 0, -1) == schedules[2:]
    for key in (store.keys.error_group(group.fingerprint), names):
        assert 30 * 86_400 - 20 < raw_redis.ttl(key) <= 30 * 86_400


def test_the_groups_that_failed_first_go_before_others_and_five_in_one_call(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    old = [f"{number:016x}" for number in range(7)]
    raw_redis.zadd(store.keys.errors, {fingerprint: clock() + place for place, fingerprint in enumerate(old)})
    for fingerprint in old:
        raw_redis.hset(store.keys.error_group(fingerprint), "count", 1)
        raw_redis.zadd(f"{store.keys.error_group(fingerprint)}:by", {"a": 1})
    finished(store, clock.advance(30 * DAY_MS), FAILED)
    assert raw_redis.zcard(store.keys.errors) == 8, "the oldest is a month old, and no older"
    finished(store, clock.advance(10), FAILED)
    assert raw_redis.zrange(store.keys.errors, 0, 1) == old[5:]
    assert raw_redis.exists(*(store.keys.error_group(fingerprint) for fingerprint in old)) == 2
    assert raw_redis.exists(*(f"{store.keys.error_group(fingerprint)}:by" for fingerprint in old)) == 2


@pytest.mark.parametrize(("extra", "removed"), [(0, 0), (1, 1), (4, 4), (9, 5)])
def test_the_newest_thousand_groups_are_kept(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock, extra: int, removed: int
) -> None:
    others = {f"{number:016x}": clock() - 2_000 + number for number in range(999 + extra)}
    raw_redis.zadd(store.keys.errors, others)
    finished(store, clock(), FAILED)
    assert raw_redis.zcard(store.keys.errors) == 1_000 + extra - removed
    assert raw_redis.zrange(store.keys.errors, 0, 0) == [f"{removed:016x}"]


def test_what_is_kept_for_a_while_only(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    assert store.tasks.create([new_task(clock())], clock(), Conditions(key="k", fingerprint="f")) == 1
    store.tasks.stop(created(store, clock()), clock())
    for pattern, seconds in (("idem:*", 86_400), ("call:*", 60)):
        keys = raw_redis.keys(f"celeriac:{pattern}")
        assert keys
        assert all(seconds - 60 < raw_redis.ttl(key) <= seconds for key in keys), pattern
