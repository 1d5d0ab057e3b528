"""Whether a figure grows: a line through its samples, the confidence interval of its slope, and a verdict. Pure."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Neighbouring samples resemble each other, which would make the interval too narrow. So the line is fitted to the
#: means of this many stretches of time, which are nearly independent.
BLOCKS = 12
#: The 97.5 % quantile of Student's t for BLOCKS - 2 degrees of freedom.
T_QUANTILE = 2.228
SECONDS_PER_HOUR = 3600.0

#: Seconds since the start, and the value then.
Point = tuple[float, float]


class Verdict(StrEnum):
    """What the slope says."""

    FLAT = "flat"  # even the upper end of the interval is within what is allowed
    GROWS = "GROWS"  # even the lower end is beyond it
    UNCLEAR = "unclear"  # the samples scatter too much, or are too few, to tell


@dataclass(frozen=True, slots=True)
class Trend:
    """A fitted line. `per_hour`: growth; `low` and `high`: the ends of its 95 % confidence interval.

    at_start: the value of the line at the first point.
    """

    mean: float
    at_start: float
    per_hour: float
    low: float
    high: float

    def verdict(self, allowed_per_hour: float) -> Verdict:
        """Judge the slope against the growth in an hour that counts as none."""
        if self.low > allowed_per_hour:
            return Verdict.GROWS
        return Verdict.FLAT if self.high <= allowed_per_hour else Verdict.UNCLEAR


def fit(points: Sequence[Point]) -> Trend:
    """The line through the means of BLOCKS stretches of the points, by least squares.

    Raises ValueError if there are fewer points than that.
    """
    means = _block_means(points)
    middle = statistics.fmean(x for x, _ in means)
    mean = statistics.fmean(y for _, y in means)
    spread = sum((x - middle) ** 2 for x, _ in means)
    slope = sum((x - middle) * (y - mean) for x, y in means) / spread
    residual = sum((y - mean - slope * (x - middle)) ** 2 for x, y in means)
    margin = T_QUANTILE * math.sqrt(residual / (BLOCKS - 2) / spread)
    low, growth, high = (each * SECONDS_PER_HOUR for each in (slope - margin, slope, slope + margin))
    return Trend(mean, mean + slope * (points[0][0] - middle), growth, low, high)


def _block_means(points: Sequence[Point]) -> list[Point]:
    if len(points) < BLOCKS:
        raise ValueError(f"a trend needs {BLOCKS} samples; there are {len(points)}")
    edges = [round(number * len(points) / BLOCKS) for number in range(BLOCKS + 1)]
    blocks = [points[start:end] for start, end in itertools.pairwise(edges)]
    return [(statistics.fmean(x for x, _ in block), statistics.fmean(y for _, y in block)) for block in blocks]
