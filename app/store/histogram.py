"""Histograms with fixed buckets, and percentiles from their counts. The bounds match `bucket` in `lua/_lib.lua`.

Each power of ten has thirty buckets, from 0.1 ms on: ten from 1 to 2, ten from 2 to 5 and ten from 5 to 10. So they are
no wider than 15 %, and 1, 2 and 5 are exact bounds, for coarser histograms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PER_DECADE = 30
#: A bound is at most this many times the one before it.
GROWTH = 1.15


def upper_bound_ms(bucket: int) -> float:
    """The largest value, in ms, that falls into `bucket`."""
    decade, place = divmod(bucket, PER_DECADE)
    if place <= 10:
        tenths = 10 + place
    elif place <= 20:
        tenths = 20 + (place - 10) * 3
    else:
        tenths = 50 + (place - 20) * 5
    return tenths * 10.0**decade / 100


def percentiles_ms(counts: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """For each share (0.5, 0.95, …), the upper bound of that share of the values; None if there are no values."""
    total = sum(counts.values())
    if not total:
        return [None for _ in shares]
    return [_percentile_ms(counts, share * total) for share in shares]


def _percentile_ms(counts: Mapping[int, int], rank: float) -> float:
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return round(upper_bound_ms(bucket), 3)
    return round(upper_bound_ms(max(counts)), 3)


def cumulative(counts: Mapping[int, int], bounds_ms: Sequence[float]) -> list[int]:
    """How many values are at most each of these bounds, which ascend and are 1, 2 or 5 times a power of ten."""
    sums, seen, buckets = [], 0, sorted(counts)
    place = 0
    for bound_ms in bounds_ms:
        while place < len(buckets) and upper_bound_ms(buckets[place]) <= bound_ms * 1.000001:
            seen += counts[buckets[place]]
            place += 1
        sums.append(seen)
    return sums
