"""The rounds of one side: median and spread. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of all rounds, in their order; at least one."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle figure."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The lowest figure."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The highest figure."""
        return max(self.values)

    @property
    def spread(self) -> float:
        """Highest less lowest, as a share of the median; 0 where the median is 0."""
        return (self.high - self.low) / abs(self.median) if self.median else 0.0


def ratio(ours: Series, theirs: Series) -> Series:
    """Round by round, ours divided by theirs: what slowed a round down slowed both."""
    return Series(tuple(_divided(one, other) for one, other in zip(ours.values, theirs.values, strict=True)))


def excess(ours: Series, theirs: Series) -> Series:
    """Round by round, ours less theirs."""
    return Series(tuple(one - other for one, other in zip(ours.values, theirs.values, strict=True)))


def _divided(one: float, other: float) -> float:
    if other == 0:
        return 1.0 if one == 0 else math.inf
    return one / other


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
