"""Counts and timings match a recount."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import product
from typing import Any

import redis

from app.domain.status import Kind, ScheduleStatus, Status, TaskType
from app.store.keys import PRIORITIES
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.store.making import FAILED, STOPPED, SUCCEEDED, claimed, created, finished, message_for, scheduled

QUEUES = {"code": "celeriac.code", "api": "celeriac.api"}


def test_an_empty_service_counts_nothing(store: Store, clock: VirtualClock) -> None:
    stats = store.stats.read(QUEUES, clock())
    assert set(stats.tasks.values()) == {0}
    assert len(stats.tasks) == len(Kind) * len(TaskType) * len(Status)
    assert stats.schedules == dict.fromkeys(ScheduleStatus, 0)
    assert stats.queues == {queue: dict.fromkeys(range(10), 0) for queue in QUEUES.values()}
    assert stats.oldest_queued_ms == dict.fromkeys(QUEUES.values())
    assert (stats.waiting, stats.next_due_ms, len(stats.minutes)) == (0, None, 60)


def test_counts_match_a_recount(store: Store, clock: VirtualClock) -> None:
    chance = random.Random(4)
    for _ in range(120):
        kind, task_type = chance.choice(list(Kind)), chance.choice(list(TaskType))
        due_ms = clock() + chance.choice([0, 60_000])
        task_id = created(store, clock.advance(1), kind=kind, task_type=task_type, due_ms=due_ms)
        if chance.random() < 0.3:
            store.tasks.stop(task_id, clock())
        elif chance.random() < 0.5 and due_ms <= clock():
            attempt = claimed(store, task_id, clock())
            if chance.random() < 0.7:
                store.tasks.finish(attempt, chance.choice([SUCCEEDED, FAILED]), clock(), 1.0)
        elif chance.random() < 0.3:
            store.tasks.delete(task_id)
    everything = store.listing.page(Filters(), 200).items
    recount = Counter((task.kind, task.task_type, task.status) for task in everything)
    stats = store.stats.read(QUEUES, clock())
    assert {leaf: number for leaf, number in stats.tasks.items() if number} == recount
    assert stats.waiting == sum(task.status is Status.WAITING for task in everything)
    assert stats.next_due_ms == min(task.due_ms for task in everything if task.status is Status.WAITING)


def test_durations_exclude_stopped_attempts(store: Store, clock: VirtualClock) -> None:
    finished(store, clock(), STOPPED)
    assert store.stats.read(QUEUES, clock()).durations == {}
    finished(store, clock())
    assert store.stats.read(QUEUES, clock()).durations.total() == 1


def test_queue_depths_include_all_priorities(store: Store, raw_redis: redis.Redis, clock: VirtualClock) -> None:
    for priority in range(10):
        raw_redis.lpush(store.keys.queue("celeriac.api", priority), message_for("x").payload)
    assert store.stats.read(QUEUES, clock()).queues == {
        "celeriac.code": dict.fromkeys(range(10), 0),
        "celeriac.api": dict.fromkeys(range(10), 1),
    }


def test_the_oldest_queued_task_of_each_queue_is_known(store: Store, clock: VirtualClock) -> None:
    created(store, clock.advance(5), priority=9)
    oldest_ms = clock()
    created(store, clock.advance(5), priority=1)
    stats = store.stats.read(QUEUES, clock())
    assert stats.oldest_queued_ms == {"celeriac.code": oldest_ms, "celeriac.api": None}


def test_the_next_due_time_covers_waiting_tasks_and_countdowns(store: Store, clock: VirtualClock) -> None:
    created(store, clock(), due_ms=clock() + 9_000, message=NO_MESSAGE)
    assert store.stats.read({}, clock()).next_due_ms == clock() + 9_000
    created(store, clock(), due_ms=clock() + 3_000)
    assert store.stats.read({}, clock()).next_due_ms == clock() + 3_000


def test_the_last_hour_is_counted_by_minute(store: Store, clock: VirtualClock) -> None:
    for outcome in (SUCCEEDED, SUCCEEDED, FAILED):
        finished(store, clock(), outcome)
    store.tasks.stop(created(store, clock()), clock())
    clock.advance(59 * 60_000)
    finished(store, clock())
    minutes = store.stats.read({}, clock()).minutes
    assert (minutes[0].succeeded, minutes[0].failed, minutes[0].stopped) == (2, 1, 1)
    assert (minutes[-1].succeeded, minutes[-1].failed, minutes[-1].stopped) == (1, 0, 0)
    assert minutes[0].at_ms == (clock() // 60_000 - 59) * 60_000
    later = store.stats.read({}, clock.advance(60_000)).minutes
    assert sum(minute.succeeded + minute.failed + minute.stopped for minute in later) == 1


def test_waits_run_from_due_to_started_and_stops_have_no_duration(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    attempt = claimed(store, task_id, clock.advance(1_000))
    store.tasks.stop(task_id, clock(), force=True)
    store.tasks.finish(attempt, SUCCEEDED, clock(), 5.0)
    stats = store.stats.read({}, clock())
    assert (stats.durations.total(), stats.waits.total()) == (0, 1)


def test_schedules_are_counted_by_status(store: Store, clock: VirtualClock) -> None:
    for status in (ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, ScheduleStatus.PAUSED):
        schedule = scheduled(store, clock())
        if status is not ScheduleStatus.ACTIVE:
            store.schedules.move(schedule.id, clock(), ScheduleStatus.ACTIVE, status, None)
    assert store.stats.read({}, clock()).schedules == {"active": 1, "paused": 2, "ended": 0}


# --- what it costs -----------------------------------------------------------------------------------

MINUTES = 60


def counted_hour(store: Store, raw_redis: redis.Redis, now_ms: int) -> int:
    """The counters of an hour in which each minute had the same names. Returns how many there are."""
    names = [f"end:{kind}:immediate:succeeded:{bucket}" for kind, bucket in product(Kind, range(50))]
    names += [f"wait:{kind}:{bucket}" for kind, bucket in product(Kind, range(50))]
    for minute in range(now_ms // 60_000 - MINUTES + 1, now_ms // 60_000 + 1):
        raw_redis.hset(f"{store.keys.minute(minute)}:past", mapping=dict.fromkeys(names, 2))
    return MINUTES * len(names)


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called, in Python and in C: like processor time, but the same each time."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_a_busy_hour_takes_no_call_for_each_of_its_counters(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    empty = calls_of(lambda: store.stats.read(QUEUES, clock()))
    counters = counted_hour(store, raw_redis, clock())
    full = calls_of(lambda: store.stats.read(QUEUES, clock()))
    stats = store.stats.read(QUEUES, clock())
    assert stats.durations == stats.waits == dict.fromkeys(range(50), 2 * MINUTES * len(Kind))
    assert {minute.succeeded for minute in stats.minutes} == {2 * 50 * len(Kind)}
    assert full - empty < counters / 2


def commands(raw_redis: redis.Redis) -> Counter[str]:
    """How many commands of each name the server has carried out, apart from our own looking."""
    stats: dict[str, Any] = raw_redis.info("commandstats")  # type: ignore[assignment]
    ours = Counter({name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()})
    del ours["info"]
    return ours


def test_all_is_read_in_one_transaction_with_few_calls_for_each_command(
    store: Store, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    store.stats.read(QUEUES, clock())  # packs what stays the same, and connects
    before = commands(raw_redis)
    calls = calls_of(lambda: store.stats.read(QUEUES, clock()))
    sent = commands(raw_redis) - before
    leaves = len(Kind) * len(TaskType) * len(Status) + len(Kind) * len(ScheduleStatus)
    lists = len(QUEUES) * PRIORITIES
    assert sent == {"multi": 1, "exec": 1, "zcard": leaves, "llen": lists, "zrange": lists + 2, "hgetall": 2 * MINUTES}
    assert calls < 20 * sent.total()


def test_answers_are_the_same_in_the_older_protocol(
    store: Store, redis_url: str, raw_redis: redis.Redis, clock: VirtualClock
) -> None:
    """Which a URL may ask for, and which has other forms of replies."""
    created(store, clock(), priority=9)
    created(store, clock.advance(5), due_ms=clock() + 9_000, message=NO_MESSAGE)
    counted_hour(store, raw_redis, clock())
    finished(store, clock())
    with closing(Store.at(f"{redis_url}&protocol=2")) as older:
        assert older.stats.read(QUEUES, clock()) == store.stats.read(QUEUES, clock())
