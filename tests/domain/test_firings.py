"""Which firings run and which are missed, under clocks that pause and step."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain import firings as firings_module
from app.domain.cron import Cron
from app.domain.firings import (
    FIRINGS_PER_STEP,
    MAX_CAUGHT_UP,
    MISSED_AFTER_MS,
    CatchUp,
    Rule,
    jitter_ms,
    plan,
)
from app.domain.interval import MAX_SECONDS, Interval
from app.domain.times import to_datetime, to_ms
from tests.domain.cron_samples import ZONES
from tests.examples import scaled

MINUTE = 60_000
START = to_ms(datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
EVERY_MINUTE = Rule(Cron("* * * * *", "UTC"))
EVERY_SECOND = Rule(Cron("* * * * * *", "UTC"))


#: A few expressions, each evaluated repeatedly at a few moments, so that cached results are used.
COMMON = ("0 * * * *", "*/15 * * * *", "30 2 * * *", "* * * * * *", "0 0 29 2 *")
MOMENTS_MS = [START + step for step in (-1, 0, 1, 999, MINUTE, 120 * 86_400_000)]


def plain(expression: str, zone: str, after_ms: int) -> int | None:
    following = Cron(expression, zone).next_after(to_datetime(after_ms))
    return None if following is None else to_ms(following)


@given(
    asked=st.lists(
        st.tuples(st.sampled_from(COMMON), st.sampled_from(ZONES), st.sampled_from(MOMENTS_MS)), min_size=20
    ),
    size=st.sampled_from([1, 2, 8192]),
)
@settings(max_examples=scaled(50))
def test_cached_results_equal_computed_ones(asked: list[tuple[str, str, int]], size: int) -> None:
    remembered = lru_cache(size)(firings_module._next_after.__wrapped__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firings_module, "_next_after", remembered)
        for expression, zone, after_ms in asked:
            assert Rule(Cron(expression, zone)).next_after(after_ms) == plain(expression, zone, after_ms)
    assert remembered.cache_info().currsize <= size


def walk(rule: Rule, catch_up: CatchUp, clocks: list[int]) -> tuple[list[int], list[int], int | None]:
    """(firings run, firings missed, next firing) of a beat that ticks at the times `clocks`."""
    taken: list[int] = []
    missed: list[int] = []
    following = rule.next_after(START)
    for now_ms in clocks:
        while following is not None and following <= now_ms:
            found = plan(rule, following, now_ms, catch_up)
            taken += found.firings
            missed += found.missed
            following = found.following_ms
    return taken, missed, following


EVERY_60_SECONDS = Rule(Interval(60, START))
BOTH_TIMINGS = pytest.mark.parametrize("every_minute", [EVERY_MINUTE, EVERY_60_SECONDS], ids=["cron", "interval"])


@BOTH_TIMINGS
@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_a_punctual_beat_runs_each_firing(catch_up: CatchUp, every_minute: Rule) -> None:
    clocks = list(range(START, START + 10 * MINUTE + 1, 500))
    taken, missed, following = walk(every_minute, catch_up, clocks)
    assert taken == [START + n * MINUTE for n in range(1, 11)]
    assert missed == []
    assert following == START + 11 * MINUTE


@BOTH_TIMINGS
@pytest.mark.parametrize(
    ("catch_up", "taken", "missed"),
    [
        (CatchUp.NONE, [5], [1, 2, 3, 4]),  # the fifth is only 30 s late, so it was not missed
        (CatchUp.LATEST, [5], [1, 2, 3, 4]),
        (CatchUp.ALL, [1, 2, 3, 4, 5], []),
    ],
)
def test_a_beat_that_was_away_for_five_firings(
    catch_up: CatchUp, taken: list[int], missed: list[int], every_minute: Rule
) -> None:
    found = walk(every_minute, catch_up, [START + 5 * MINUTE + 30_000])
    assert found[:2] == ([START + n * MINUTE for n in taken], [START + n * MINUTE for n in missed])


def test_without_catch_up_a_firing_is_missed_when_it_is_over_a_minute_late() -> None:
    daily = Rule(Cron("0 13 * * *", "UTC"))
    due = START + 60 * MINUTE
    assert walk(daily, CatchUp.NONE, [due + MINUTE])[:2] == ([due], [])
    assert walk(daily, CatchUp.NONE, [due + MINUTE + 1])[:2] == ([], [due])
    assert walk(daily, CatchUp.LATEST, [due + 5 * 60 * MINUTE])[:2] == ([due], [])


def test_a_firing_that_is_due_just_now_is_the_latest() -> None:
    found = plan(EVERY_MINUTE, START + MINUTE, START + 2 * MINUTE, CatchUp.LATEST)
    assert found == ([START + 2 * MINUTE], [START + MINUTE], START + 3 * MINUTE)


def test_no_firing_before_the_first_that_is_due_is_caught_up() -> None:
    for catch_up, expected in ((CatchUp.ALL, ([1, 2, 3], [])), (CatchUp.LATEST, ([3], [1, 2]))):
        found = plan(EVERY_SECOND, START + 1_000, START + 3_000, catch_up)
        assert (found.firings, found.missed) == tuple([START + 1_000 * n for n in numbers] for numbers in expected)


def test_all_runs_the_newest_thousand_oldest_first_in_steps() -> None:
    now_ms = START + 5_000_000
    first = plan(EVERY_SECOND, START + 1000, now_ms, CatchUp.ALL)
    assert len(first.firings) == FIRINGS_PER_STEP
    assert first.firings[0] == now_ms - (MAX_CAUGHT_UP - 1) * 1000
    taken = walk(EVERY_SECOND, CatchUp.ALL, [now_ms])[0]
    assert taken == list(range(first.firings[0], now_ms + 1, 1000))


UNEVEN = ("* * * * *", "*/30 * * * * *", "*/5 9-17 * * 1-5", "* * * * 0", "0 * * * *", "30 2 * * *", "0 0 29 2 *")


@pytest.mark.parametrize("days", [0.01, 1, 20])
@pytest.mark.parametrize("expression", UNEVEN)
def test_the_newest_are_caught_up_however_unevenly_they_fire(expression: str, days: float) -> None:
    rule = Rule(Cron(expression, "Europe/Berlin"))
    seen_ms = rule.next_after(START)
    assert seen_ms is not None
    now_ms = seen_ms + round(days * 86_400_000)
    due = [seen_ms, *rule._between(seen_ms, now_ms)]
    assert rule.newest(seen_ms, now_ms, 10) == due[-10:]
    assert rule.newest(seen_ms, now_ms, MAX_CAUGHT_UP) == due[-MAX_CAUGHT_UP:]


@pytest.mark.parametrize("expression", ["* * * * *", "* * * * * *", "*/2 * * * *", "*/5 9-17 * * 1-5"])
def test_few_firings_are_looked_at_in_vain_after_a_long_outage(expression: str) -> None:
    rule = Rule(Cron(expression, "Europe/Berlin"))
    first_ms, now_ms = START + MINUTE, START + 60 * 86_400_000
    firings_module._next_after.cache_clear()
    assert len(rule.newest(first_ms, now_ms, MAX_CAUGHT_UP)) == MAX_CAUGHT_UP
    assert firings_module._next_after.cache_info().misses < 1.5 * MAX_CAUGHT_UP


def test_the_firings_recorded_as_missed_are_bounded() -> None:
    found = plan(EVERY_SECOND, START + 1000, START + 86_400_000, CatchUp.LATEST)
    assert found.firings == [START + 86_400_000]
    assert len(found.missed) == 999  # and the one that runs


def test_only_a_rule_with_h_depends_on_the_id() -> None:
    hashed = Rule(Cron("H * * * *", "UTC"), START)
    minutes = {hashed.hashed_by(f"sch_{number}").upcoming(START, 1)[0] // MINUTE % 60 for number in range(100)}
    assert len(minutes) > 30
    assert hashed.hashed_by("a") == Rule(Cron("H * * * *", "UTC", "a"), START)
    for rule in (EVERY_MINUTE, EVERY_60_SECONDS):
        assert rule.hashed_by("a") is rule


def test_start_and_end_are_inclusive() -> None:
    rule = Rule(EVERY_MINUTE.timing, START + 2 * MINUTE, START + 4 * MINUTE)
    assert rule.upcoming(START - MINUTE, 10) == [START + n * MINUTE for n in (2, 3, 4)]
    assert rule.upcoming(START - MINUTE, 2) == [START + 2 * MINUTE, START + 3 * MINUTE]
    assert plan(rule, START + 4 * MINUTE, START + 4 * MINUTE, CatchUp.LATEST).following_ms is None


@BOTH_TIMINGS
@given(
    pauses=st.lists(st.integers(-300_000, 900_000), min_size=1, max_size=40),
    catch_up=st.sampled_from(list(CatchUp)),
)
def test_no_firing_is_lost_or_doubled_however_the_clock_steps(
    every_minute: Rule, pauses: list[int], catch_up: CatchUp
) -> None:
    clocks, now_ms = [], START
    for pause in pauses:
        now_ms += pause
        clocks.append(now_ms)
    taken, missed, following = walk(every_minute, catch_up, clocks)
    settled = taken + missed
    assert len(settled) == len(set(settled))
    assert taken == sorted(taken)
    latest = max([START, *clocks])
    assert sorted(settled) == list(range(START + MINUTE, latest - latest % MINUTE + 1, MINUTE))
    assert following == latest - latest % MINUTE + MINUTE


@given(
    jitter=st.floats(0, 86_400),
    distance=st.one_of(st.none(), st.integers(1, 10**9)),
    spread=st.floats(0, 1),
)
def test_jitter_is_at_most_half_the_time_to_the_next_firing(jitter: float, distance: int | None, spread: float) -> None:
    following = None if distance is None else START + distance
    late = jitter_ms(jitter, START, following, spread)
    assert 0 <= late <= jitter * 1000 + 0.5
    if distance is not None:
        assert late <= distance / 2 + 0.5


def test_jitter_is_a_share_of_its_seconds_or_of_half_the_time_to_the_next_firing() -> None:
    assert jitter_ms(10, START, None, 1.0) == 10_000
    assert jitter_ms(0.5, START, None, 0.5) == 250
    assert jitter_ms(1_000, START, START + MINUTE, 1.0) == 30_000
    assert jitter_ms(1_000, START, START + MINUTE, 0.1) == 3_000


INTERVALS = st.builds(
    Interval, st.one_of(st.integers(1, 200), st.integers(1, MAX_SECONDS)), st.integers(START - 10**12, START + 10**12)
)
BOUNDS = st.one_of(st.none(), st.integers(START - 10**12, START + 10**12))


@given(interval=INTERVALS, start_ms=BOUNDS, end_ms=BOUNDS, after_ms=st.integers(START - 10**12, START + 10**12))
@example(interval=Interval(1, START - 1), start_ms=START, end_ms=None, after_ms=START - MINUTE)
def test_an_interval_within_bounds_fires_on_its_grid_and_nowhere_else(
    interval: Interval, start_ms: int | None, end_ms: int | None, after_ms: int
) -> None:
    every_ms = interval.every_seconds * 1000
    earliest_ms = max(after_ms + 1, interval.anchor_ms, interval.anchor_ms if start_ms is None else start_ms)
    following = Rule(interval, start_ms, end_ms).next_after(after_ms)
    first_ms = earliest_ms + (interval.anchor_ms - earliest_ms) % every_ms  # the first of the grid from there on
    assert following == (None if end_ms is not None and first_ms > end_ms else first_ms)


@settings(max_examples=scaled(50))
@given(interval=INTERVALS, away_ms=st.integers(0, 10**12), catch_up=st.sampled_from(list(CatchUp)))
def test_an_interval_catches_up_as_cron_does(interval: Interval, away_ms: int, catch_up: CatchUp) -> None:
    seen_ms, every_ms = interval.anchor_ms, interval.every_seconds * 1000
    now_ms = seen_ms + away_ms
    due = range(seen_ms, now_ms + 1, every_ms)[-MAX_CAUGHT_UP:]
    found = plan(Rule(interval), seen_ms, now_ms, catch_up)
    if catch_up is CatchUp.ALL:
        assert found.firings == list(due[:FIRINGS_PER_STEP])
        assert found.following_ms == [*due, due[-1] + every_ms][min(len(due), FIRINGS_PER_STEP)]
    else:
        taken = catch_up is CatchUp.LATEST or now_ms - due[-1] <= MISSED_AFTER_MS
        assert found.firings == ([due[-1]] if taken else [])
        assert found.missed == list(due[:-1] if taken else due)
        assert found.following_ms == due[-1] + every_ms
