"""Counters that only grow: each event is counted once, whatever ends a task, and survives the minute it happened in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import redis

from app.domain.deliveries import DeliveryStatus
from app.domain.outcome import Ending, Outcome
from app.domain.status import Kind, TaskType
from app.store.deliveries import Try
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases.totals import TotalsUpkeep
from tests.conftest import VirtualClock
from tests.store.making import (
    FAILED,
    LEASE_MS,
    STOPPED,
    SUCCEEDED,
    WORKER_LOST,
    changed,
    claimed,
    created,
    due,
    finished,
    firing,
    new_task,
    scheduled,
)

MINUTE_MS = 60_000


def counters(store: Store) -> Counter[str]:
    return store.totals.read().counters


def ends(store: Store) -> dict[str, int]:
    """How often each end of an attempt or task was counted: `code:immediate:succeeded`."""
    found = Counter[str]()
    for name, number in counters(store).items():
        if name.startswith("end:"):
            found[":".join(name.split(":")[1:4])] += number
    return dict(found)


# --- tasks and attempts --------------------------------------------------------------------------


def test_nothing_is_counted_before_anything_happens(store: Store) -> None:
    assert counters(store) == {}


def test_the_end_of_a_task_is_counted_with_its_duration_and_wait(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock(), kind=Kind.API, task_type=TaskType.DELAYED)
    attempt = claimed(store, task_id, clock.advance(250))
    store.tasks.finish(attempt, SUCCEEDED, clock.advance(40), 40.5)
    assert counters(store) == {
        "wait:api:102": 1,  # ≤ 260 ms
        "waited:api": 250,
        "end:api:delayed:succeeded:77": 1,  # ≤ 41 ms
        "run:api:succeeded": 40_500,
    }


@pytest.mark.parametrize("behind_ms", [0, 5])
def test_a_task_that_starts_at_once_has_not_waited(store: Store, clock: VirtualClock, behind_ms: int) -> None:
    """Nor has one whose worker has a clock that is behind."""
    claimed(store, created(store, clock()), clock() - behind_ms)
    assert counters(store) == {"wait:code:0": 1, "waited:code": 0}


def test_a_retry_counts_its_attempt_and_no_finished_task(store: Store, clock: VirtualClock) -> None:
    attempt = claimed(store, created(store, clock()), clock())
    store.tasks.run_again(attempt, FAILED, clock(), 2.0, clock() + 5, NO_MESSAGE, Ending.COUNTED, entry=None)
    assert ends(store) == {"code:immediate:retried": 1}
    assert counters(store)["run:code:retried"] == 2_000
    assert store.stats.read({}, clock()).durations == {}, "the last hour shows tasks that have finished"


@pytest.mark.parametrize(("ending", "name"), [(Ending.LOST, "lost"), (Ending.RETURNED, "returned")])
def test_an_attempt_that_its_worker_gives_up_has_no_duration(
    store: Store, clock: VirtualClock, ending: Ending, name: str
) -> None:
    attempt = claimed(store, created(store, clock()), clock())
    store.tasks.run_again(attempt, FAILED, clock(), 2.0, clock(), NO_MESSAGE, ending, entry=None)
    assert counters(store)[f"end:code:immediate:{name}:"] == 1


def test_a_lost_lease_is_counted_and_so_is_the_task_that_fails_for_it(store: Store, clock: VirtualClock) -> None:
    task_id = created(store, clock())
    for losses in (2, 2):
        claimed(store, task_id, clock())
        (lost,) = store.recovery.expired_leases(clock.advance(LEASE_MS + 1), 10)
        store.recovery.take_back(lost, clock(), NO_MESSAGE, losses, WORKER_LOST, {})
    assert ends(store) == {"code:immediate:lost": 2, "code:immediate:failed": 1}


def test_a_loss_is_counted_too_if_the_worker_itself_ends_the_task_for_it(store: Store, clock: VirtualClock) -> None:
    attempt = claimed(store, created(store, clock()), clock())
    store.tasks.finish(attempt, Outcome(failure=WORKER_LOST), clock(), 2.0, Ending.LOST)
    assert ends(store) == {"code:immediate:lost": 1, "code:immediate:failed": 1}
    assert not any(name.startswith("run:") for name in counters(store)), "it has no duration"


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending.LOST, {"code:immediate:lost": 1, "code:immediate:stopped": 1}),
        (Ending.RETURNED, {"code:immediate:stopped": 1}),
    ],
)
def test_an_attempt_given_up_after_a_stop_request_is_a_stop(
    store: Store, clock: VirtualClock, ending: Ending, expected: dict[str, int]
) -> None:
    attempt = claimed(store, created(store, clock()), clock())
    store.tasks.stop(attempt.task_id, clock())
    outcome = Outcome(failure=WORKER_LOST)
    assert store.tasks.run_again(attempt, outcome, clock(), 2.0, clock(), NO_MESSAGE, ending, entry=None) == "stopped"
    assert ends(store) == expected


def stop(store: Store, clock: VirtualClock) -> None:
    store.tasks.stop(created(store, clock()), clock())


def stop_what_runs(store: Store, clock: VirtualClock) -> None:
    finished(store, clock(), STOPPED)


@pytest.mark.parametrize("end", [stop, stop_what_runs], ids=lambda end: end.__name__)
def test_a_stopped_task_has_no_duration(
    store: Store, clock: VirtualClock, end: Callable[[Store, VirtualClock], None]
) -> None:
    end(store, clock)
    assert counters(store)["end:code:immediate:stopped:"] == 1
    assert not any(name.startswith("run:") for name in counters(store))


def test_a_task_that_is_removed_before_its_end_is_counted_as_gone(store: Store, clock: VirtualClock) -> None:
    store.tasks.delete(created(store, clock()))
    store.tasks.delete(finished(store, clock(), kind=Kind.API))
    assert {name: number for name, number in counters(store).items() if name.startswith("gone:")} == {
        "gone:code:immediate": 1
    }


def test_a_task_that_becomes_one_of_another_type_is_gone_from_its_own(store: Store, clock: VirtualClock) -> None:
    task = new_task(clock(), due_ms=clock() + MINUTE_MS, task_type=TaskType.DELAYED, message=NO_MESSAGE)
    store.tasks.create([task], clock())
    seen = store.tasks.get(task.id)
    assert seen is not None
    assert store.tasks.change(seen, changed(task, priority=1), clock())
    assert counters(store) == {}
    seen = store.tasks.get(task.id)
    assert seen is not None
    assert store.tasks.change(seen, changed(task, task_type=TaskType.IMMEDIATE), clock())
    assert counters(store) == {"gone:code:delayed": 1, "gone:code:immediate": -1}


# --- firings, deliveries, requests ------------------------------------------------------------------


def test_firings_are_counted_by_outcome_with_their_lateness(store: Store, clock: VirtualClock) -> None:
    schedule = scheduled(store, clock())
    at_ms = schedule.next_run_ms
    assert at_ms is not None
    clock.advance(MINUTE_MS + 1_500)
    two = [firing(schedule.id, at_ms), firing(schedule.id, at_ms + 1_000)]
    store.firings.fire([due(schedule, overlap="skip", missed=[at_ms - 1], firings=two)], clock())
    assert counters(store) == {
        "firing:created": 1,
        "firing:skipped_overlap": 1,
        "firing:missed": 1,
        "late:125": 1,  # ≤ 1.5 s
        "lateness": 1_500,
    }


@pytest.mark.parametrize("status", DeliveryStatus)
def test_tries_of_deliveries_are_counted(store: Store, clock: VirtualClock, status: DeliveryStatus) -> None:
    finished(store, clock(), callback_url="https://example.com/told")
    (delivery,) = store.deliveries.claim(clock(), clock() + LEASE_MS, 10)
    store.deliveries.end_try(delivery, clock(), status, made=Try(clock(), 500, 1.5, None))
    assert counters(store)[f"try:callback:{status}"] == 1


def test_requests_are_added_once_however_often_the_call_is_sent(store: Store) -> None:
    for number in (1, 1, 2, 1):
        store.totals.add_requests("a", number, {"refused full": 2, "time GET /x": 7})
    store.totals.add_requests("b", 1, {"refused full": 1})
    assert store.totals.read().requests == {"refused full": 5, "time GET /x": 14}


# --- from minutes to totals -----------------------------------------------------------------------


def test_a_minute_that_is_over_is_added_to_the_totals_once(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    upkeep = TotalsUpkeep(store.totals, ())
    finished(store, clock())
    before = counters(store)
    for _ in range(3):
        upkeep.add_up(clock())
        assert counters(store) == before
        clock.advance(MINUTE_MS)
    assert raw_redis.smembers(store.keys.open_minutes) == set()
    assert raw_redis.hgetall(store.keys.totals)
    stats = store.stats.read({}, clock())
    assert (sum(minute.succeeded for minute in stats.minutes), stats.durations.total(), stats.waits.total()) == (
        1,
        1,
        1,
    )


def test_a_process_whose_clock_is_behind_is_counted_as_well(store: Store, clock: VirtualClock) -> None:
    finished(store, clock())
    TotalsUpkeep(store.totals, ()).add_up(clock() + MINUTE_MS)
    finished(store, clock())
    TotalsUpkeep(store.totals, ()).add_up(clock() + MINUTE_MS)
    assert ends(store) == {"code:immediate:succeeded": 2}
    stats = store.stats.read({}, clock())
    assert (stats.minutes[-1].succeeded, stats.durations.total()) == (2, 2)


def test_the_minute_in_progress_and_those_to_come_stay_open(store: Store, clock: VirtualClock) -> None:
    finished(store, clock())
    store.totals.fold(clock() // MINUTE_MS)
    finished(store, clock())
    assert ends(store) == {"code:immediate:succeeded": 2}


@pytest.mark.parametrize("tags", [(), ("team",)])
def test_minutes_are_added_up_while_the_memory_is_full(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis, tags: tuple[str, ...]
) -> None:
    finished(store, clock(), tags=["team:payments"])
    raw_redis.config_set("maxmemory", "1")
    try:
        TotalsUpkeep(store.totals, tags).add_up(clock() + MINUTE_MS)
    finally:
        raw_redis.config_set("maxmemory", "0")
    assert ends(store) == {"code:immediate:succeeded": 1}


def test_what_is_kept_of_a_minute_expires(store: Store, clock: VirtualClock, raw_redis: redis.Redis) -> None:
    finished(store, clock())
    store.totals.fold(clock() // MINUTE_MS + 1)
    assert 0 < raw_redis.ttl(f"{store.keys.minute(clock() // MINUTE_MS)}:past") <= 7_200
    assert not raw_redis.exists(store.keys.minute(clock() // MINUTE_MS))


# --- tags ---------------------------------------------------------------------------------------------


def tagged(store: Store) -> dict[str, int]:
    return {name.removeprefix("tag:"): number for name, number in counters(store).items() if name.startswith("tag:")}


def test_finished_tasks_are_counted_by_the_tags_that_are_asked_for(store: Store, clock: VirtualClock) -> None:
    TotalsUpkeep(store.totals, ("team", "env")).add_up(clock())
    finished(store, clock(), tags=["team:payments", "env:prod", "teams:x", "team", "other:1"])
    finished(store, clock(), FAILED, tags=["team:a:b"])
    finished(store, clock())
    assert tagged(store) == {
        "code:succeeded:team:payments": 1,
        "code:succeeded:env:prod": 1,
        "code:failed:team:a:b": 1,
    }


def test_a_tag_that_is_given_twice_counts_once(store: Store, clock: VirtualClock) -> None:
    store.totals.set_tags(["team", "env"])
    finished(store, clock(), tags=["team:a", "env:a", "team:a", "team:b"])
    assert tagged(store) == {"code:succeeded:team:a": 1, "code:succeeded:env:a": 1, "code:succeeded:team:b": 1}


def test_a_name_of_a_tag_is_no_pattern(store: Store, clock: VirtualClock) -> None:
    store.totals.set_tags(["cost-center", "axb"])
    finished(store, clock(), tags=["cost-center:7", "a.b:1", "%:1"])
    assert tagged(store) == {"code:succeeded:cost-center:7": 1}


def test_without_the_setting_no_tag_is_counted(store: Store, clock: VirtualClock) -> None:
    TotalsUpkeep(store.totals, ("team",)).add_up(clock())
    TotalsUpkeep(store.totals, ()).add_up(clock())
    finished(store, clock(), tags=["team:payments"])
    assert tagged(store) == {}


def test_the_names_of_tags_that_redis_has_lost_are_stored_again_with_the_next_minute(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    """It was restarted empty, or with older data. Another process, with other names, is not overruled."""
    upkeep = TotalsUpkeep(store.totals, ("team",))
    upkeep.add_up(clock())
    raw_redis.flushdb()
    upkeep.add_up(clock.advance(MINUTE_MS))
    finished(store, clock(), tags=["team:payments", "env:prod"])
    assert tagged(store) == {"code:succeeded:team:payments": 1}
    TotalsUpkeep(store.totals, ("env",)).add_up(clock())
    upkeep.add_up(clock.advance(MINUTE_MS))
    finished(store, clock(), tags=["team:payments", "env:prod"])
    assert tagged(store) == {"code:succeeded:team:payments": 1, "code:succeeded:env:prod": 1}


def test_names_of_tags_that_were_removed_are_not_stored_again_by_the_beat_that_is_replaced(
    store: Store, clock: VirtualClock
) -> None:
    older, newer = TotalsUpkeep(store.totals, ("team",)), TotalsUpkeep(store.totals, ())
    for upkeep in (older, newer):
        upkeep.add_up(clock())
    older.add_up(clock.advance(MINUTE_MS))
    finished(store, clock(), tags=["team:payments", ",:1"])
    assert tagged(store) == {}


def test_that_no_tags_are_counted_is_stored_again_if_redis_has_lost_it(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis
) -> None:
    """Older versions removed the key instead."""
    upkeep = TotalsUpkeep(store.totals, ())
    upkeep.add_up(clock())
    raw_redis.delete("celeriac:totals:tags")
    upkeep.add_up(clock.advance(MINUTE_MS))
    assert raw_redis.get("celeriac:totals:tags") == ","


def test_values_beyond_the_first_fifty_are_counted_together(store: Store, clock: VirtualClock) -> None:
    store.totals.set_tags(["team"])
    for number in [*range(53), 0]:
        finished(store, clock(), tags=[f"team:{number}"])
    found = tagged(store)
    assert len(found) == 51
    assert (found["code:succeeded:team:other"], found["code:succeeded:team:0"]) == (3, 2)
    finished(store, clock(), tags=["team:50", "team:51"])
    assert tagged(store)["code:succeeded:team:other"] == 4, "it is one task"
