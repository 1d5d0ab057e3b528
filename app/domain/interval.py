"""A fixed interval: fires every `every_seconds` of elapsed time. Pure: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.times import to_ms

MIN_SECONDS = 1
MAX_SECONDS = 31_536_000  # 365 days

_LAST_MS = to_ms(datetime(9999, 12, 31, tzinfo=UTC))  # later times can't be represented
#: Longest first. A day is always 24 hours here, regardless of clock changes, so one day is described as "24 hours".
_UNITS = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Interval:
    """Fires at `anchor_ms` and every `every_seconds` after it; never before it.

    Counts real time, unaffected by clock changes and time zones. Raises ValueError outside 1..31,536,000 seconds.
    """

    every_seconds: int
    anchor_ms: int

    def __post_init__(self) -> None:
        if not MIN_SECONDS <= self.every_seconds <= MAX_SECONDS:
            raise ValueError(f"must be from {MIN_SECONDS} to {MAX_SECONDS} seconds")

    @classmethod
    def counted(cls, every_seconds: int, *, start_ms: int | None, created_ms: int) -> Interval:
        """Counted from the start, which is then the first firing. Without a start, it is counted from the creation, and
        the first firing comes one interval after the creation."""
        return cls(every_seconds, created_ms if start_ms is None else start_ms)

    def next_after(self, after_ms: int) -> int | None:
        """The first firing strictly after `after_ms`; None past the year 9999."""
        every_ms = self.every_seconds * 1000
        following_ms = self.anchor_ms
        if after_ms >= self.anchor_ms:
            following_ms += ((after_ms - self.anchor_ms) // every_ms + 1) * every_ms
        return following_ms if following_ms <= _LAST_MS else None

    def describe(self) -> str:
        """The interval in English, in the largest unit that divides it evenly: "Every 90 minutes"."""
        if self.every_seconds == 86_400:
            return "Every 24 hours"
        seconds, unit = next(unit for unit in _UNITS if self.every_seconds % unit[0] == 0)
        count = self.every_seconds // seconds
        return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"
