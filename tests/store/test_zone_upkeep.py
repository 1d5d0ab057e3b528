"""After an update of the time zones, next firings are those of the new rules."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import redis

from app.domain.status import ScheduleStatus
from app.domain.times import parse_rfc3339, to_rfc3339
from app.store.schedules import Schedule, ScheduleStore
from app.store.store import Store
from app.usecases.zone_upkeep import ROUND_SECONDS, STEP, ZoneUpkeep
from tests.conftest import VirtualClock
from tests.store.making import due, scheduled

#: Gave up its summer time in 2026, so that noon is an hour later there than older data says.
ZONE = "Africa/Casablanca"
OLD_NOON, NOON = "2026-11-23T11:00:00.000Z", "2026-11-23T12:00:00.000Z"
AT_NOON = {"cron_expression": "0 12 * * *", "timezone": ZONE}


def by_old_rules(store: Store, clock: VirtualClock, **changes: Any) -> Schedule:
    """A scheduled task for noon, whose next firing was computed with older zones."""
    return scheduled(store, clock(), **{**AT_NOON, "next_run_ms": parse_rfc3339(OLD_NOON), **changes})


def upkeep_of(
    store: Store, clock: VirtualClock, version: str = "new", steady: Callable[[], float] = lambda: 0.0
) -> ZoneUpkeep:
    return ZoneUpkeep(store.schedules, version, clock, steady)


def next_run(store: Store, schedule: Schedule) -> str | None:
    found = store.schedules.get(schedule.id)
    assert found is not None
    return None if found.next_run_ms is None else to_rfc3339(found.next_run_ms)


def test_next_firings_follow_the_new_rules(
    store: Store, clock: VirtualClock, raw_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, right = by_old_rules(store, clock), by_old_rules(store, clock, next_run_ms=parse_rfc3339(NOON))
    with caplog.at_level(logging.INFO, "celeriac.zones"):
        upkeep_of(store, clock).work_off(clock())
    assert (next_run(store, wrong), next_run(store, right)) == (NOON, NOON)
    assert raw_redis.zscore(store.keys.cron, wrong.id) == parse_rfc3339(NOON)
    assert caplog.messages == ["next firings follow the time zones new; changed: 1"]
    assert store.schedules.zone_version() == "new"


def test_what_does_not_follow_a_zone_is_left_alone(store: Store, clock: VirtualClock) -> None:
    interval = by_old_rules(store, clock, cron_expression=None, every_seconds=60)
    paused, is_due = by_old_rules(store, clock), by_old_rules(store, clock, next_run_ms=clock())
    store.schedules.move(paused.id, clock(), ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, None)
    before = {one.id: store.schedules.get(one.id) for one in (interval, paused, is_due)}
    upkeep_of(store, clock).work_off(clock())
    assert {one: store.schedules.get(one) for one in before} == before


def test_start_end_and_number_of_runs_are_kept(store: Store, clock: VirtualClock) -> None:
    later = by_old_rules(store, clock, start_at="2026-12-01T12:00:00.000Z")
    over = by_old_rules(store, clock, end_at="2026-11-23T11:30:00.000Z")
    twice = by_old_rules(store, clock, max_runs=2)
    upkeep_of(store, clock).work_off(clock())
    assert next_run(store, later) == "2026-12-01T12:00:00.000Z"
    ended = store.schedules.get(over.id)
    assert ended is not None
    assert (ended.status, ended.next_run_ms) == (ScheduleStatus.ENDED, None)
    left = store.schedules.get(twice.id)
    assert left is not None
    assert (next_run(store, twice), left.firings_left) == (NOON, 2)


def test_it_is_done_once_for_each_version(store: Store, clock: VirtualClock) -> None:
    upkeep_of(store, clock).work_off(clock())
    wrong = by_old_rules(store, clock)
    upkeep_of(store, clock).work_off(clock())
    assert next_run(store, wrong) == OLD_NOON
    upkeep_of(store, clock, "newer").work_off(clock())
    assert next_run(store, wrong) == NOON


@pytest.mark.parametrize("version", ["new", "old"])
def test_a_beat_that_is_killed_leaves_it_to_the_next_one(store: Store, clock: VirtualClock, version: str) -> None:
    """The next one may be that of the version before: some next firings are those of the new rules then."""
    upkeep_of(store, clock, "old").work_off(clock())
    schedules = [by_old_rules(store, clock) for _ in range(STEP + 1)]
    killed = upkeep_of(store, clock, steady=count(0.0, 0.6 * ROUND_SECONDS).__next__)  # one step takes that long
    killed.work_off(clock())
    assert [next_run(store, one) for one in schedules].count(NOON) == STEP
    assert (killed.is_busy, store.schedules.zone_version()) == (True, None)
    following = upkeep_of(store, clock, version)
    following.work_off(clock())
    assert {next_run(store, one) for one in schedules} == {NOON}
    assert (following.is_busy, store.schedules.zone_version()) == (False, version)


def test_two_beats_may_do_it_at_once(store: Store, clock: VirtualClock) -> None:
    schedules = [by_old_rules(store, clock) for _ in range(2 * STEP + 1)]
    beats = [upkeep_of(store, clock, steady=count(0.0, 0.6 * ROUND_SECONDS).__next__) for _ in range(2)]
    for _ in range(3):
        for beat in beats:
            beat.work_off(clock())
    assert [beat.is_busy for beat in beats] == [False, False]
    assert {next_run(store, one) for one in schedules} == {NOON}


def test_a_change_or_a_firing_meanwhile_wins(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, fired = by_old_rules(store, clock), by_old_rules(store, clock)
    page = ScheduleStore.page

    def page_and_then(self: ScheduleStore, *args: Any) -> Any:
        found = page(self, *args)
        at_one = parse_rfc3339("2026-11-23T13:00:00.000Z")
        assert self.change(changed, replace(changed, next_run_ms=at_one), clock())
        assert store.firings.fire([due(fired, following_ms=at_one)], clock()) == 1
        return found

    monkeypatch.setattr(ScheduleStore, "page", page_and_then)
    upkeep_of(store, clock).work_off(clock())
    assert [next_run(store, one) for one in (changed, fired)] == ["2026-11-23T13:00:00.000Z"] * 2


def test_no_schedule_goes_back_to_a_time_before_the_page_was_read(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round begins just before a time. Until it reads the page, another beat fires for that time."""
    at_ms = clock()
    schedules = [scheduled(store, at_ms - 60_000, next_run_ms=at_ms)]
    page = ScheduleStore.page

    def fire_and_page(self: ScheduleStore, *args: Any) -> Any:
        clock.advance(23)
        assert store.firings.fire([due(schedules[0])], clock()) == 1
        schedules.append(scheduled(store, clock(), next_run_ms=at_ms + 60_000))
        clock.advance(27)
        return page(self, *args)

    monkeypatch.setattr(ScheduleStore, "page", fire_and_page)
    clock.advance(-20)
    upkeep_of(store, clock).work_off(clock())
    assert [next_run(store, one) for one in schedules] == [to_rfc3339(at_ms + 60_000)] * 2


@pytest.mark.parametrize(("ahead_ms", "changed"), [(0, 0), (1, 1)])
def test_no_schedule_goes_back_to_a_firing_that_was_taken(
    store: Store, clock: VirtualClock, ahead_ms: int, changed: int
) -> None:
    """A beat whose clock is behind that of another host may compute a firing that was taken there."""
    schedule = scheduled(store, clock(), next_run_ms=clock())
    assert store.firings.fire([due(schedule)], clock()) == 1
    seen = store.schedules.get(schedule.id)
    assert seen is not None
    assert store.schedules.retime([(seen, clock() + ahead_ms)], clock() - 20, "new") == changed
    following_ms = clock() + ahead_ms if changed else seen.next_run_ms
    found = store.schedules.get(schedule.id)
    assert found is not None
    assert found.next_run_ms == following_ms
    assert store.schedules.retime([(found, None)], clock(), "new") == 1  # it may end at any time


def test_a_zone_that_is_gone_holds_up_no_other(store: Store, clock: VirtualClock) -> None:
    wrong = by_old_rules(store, clock)
    gone = by_old_rules(store, clock, timezone="Gone/Away")
    upkeep_of(store, clock).work_off(clock())
    assert (next_run(store, wrong), next_run(store, gone)) == (NOON, OLD_NOON)
    assert store.schedules.zone_version() == "new"
