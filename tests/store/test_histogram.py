"""Percentiles from bucket counts: accurate to one bucket, 15 %."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.store.histogram import GROWTH, cumulative, percentiles_ms, upper_bound_ms
from app.store.store import Store
from tests.conftest import VirtualClock
from tests.examples import scaled
from tests.store.making import SUCCEEDED, claimed, created

SHARES = (0.5, 0.95, 0.99, 1.0)


def test_bounds_grow_by_at_most_15_percent_from_a_tenth_of_a_millisecond() -> None:
    bounds = [upper_bound_ms(bucket) for bucket in range(300)]
    assert bounds[0] == 0.1
    assert all(1.05 < after / before <= GROWTH + 1e-9 for before, after in itertools.pairwise(bounds))


@pytest.mark.parametrize("decade", range(8))
def test_1_2_and_5_are_exact_bounds_in_each_power_of_ten(decade: int) -> None:
    bounds = [upper_bound_ms(30 * decade + place) for place in (0, 10, 20)]
    assert bounds == [first * 10.0**decade / 10 for first in (1, 2, 5)]


def test_counts_add_up_to_coarser_ones() -> None:
    counts = {30: 1, 31: 2, 40: 4, 41: 8, 240: 16}  # ≤ 1 ms, ≤ 1.1 ms, ≤ 2 ms, ≤ 2.3 ms, ≤ 10,000 s
    assert cumulative(counts, [0.5, 1, 2, 5, 10_000]) == [0, 1, 7, 15, 15]


def test_empty_counts_have_no_percentiles() -> None:
    assert percentiles_ms({}, SHARES) == [None, None, None, None]


def test_a_percentile_is_the_upper_bound_of_that_share() -> None:
    counts = {10: 50, 20: 45, 30: 4, 40: 1}
    bounds = [round(upper_bound_ms(bucket), 3) for bucket in (10, 20, 30, 40)]
    assert percentiles_ms(counts, SHARES) == bounds


@given(st.lists(st.floats(0.01, 3_600_000), min_size=1, max_size=12))
@settings(max_examples=scaled(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_durations_counted_by_lua_are_read_back_within_one_bucket(
    store: Store, raw_redis: redis.Redis, durations: list[float]
) -> None:
    raw_redis.flushdb()
    clock = VirtualClock()
    for duration in durations:
        store.tasks.finish(claimed(store, created(store, clock()), clock()), SUCCEEDED, clock(), duration)
    counts: Counter[int] = store.stats.read({}, clock()).durations
    assert counts.total() == len(durations)
    kept = sorted(round(duration, 2) for duration in durations)  # the precision of the record
    for share, found in zip(SHARES, percentiles_ms(counts, SHARES), strict=True):
        exact = max(kept[math.ceil(share * len(kept)) - 1], 0.1)
        assert found is not None
        assert exact * 0.99 <= found <= exact * GROWTH * 1.01


def test_lua_counts_each_duration_in_its_bucket(store: Store, clock: VirtualClock) -> None:
    buckets = range(31, 241)
    middles = [(upper_bound_ms(bucket - 1) + upper_bound_ms(bucket)) / 2 for bucket in buckets]
    exact = [bucket for bucket in range(241) if bucket % 10 == 0]
    for duration in [*middles, *map(upper_bound_ms, exact)]:
        store.tasks.finish(claimed(store, created(store, clock()), clock()), SUCCEEDED, clock(), duration)
    assert store.stats.read({}, clock()).durations == Counter([*buckets, *exact])
