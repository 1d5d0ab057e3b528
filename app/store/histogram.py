"""Percentiles from bucket counts. The bounds match `bucket` in `lua/_lib.lua`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FIRST_BOUND_MS = 0.1
GROWTH = 1.15


def upper_bound_ms(bucket: int) -> float:
    """The largest value, in ms, that falls into `bucket`."""
    return float(FIRST_BOUND_MS * GROWTH**bucket)


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
