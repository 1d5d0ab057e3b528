"""Determines which firings of a schedule are due, which were missed, and when the next one is.

Pure: the time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from app.domain.cron import Cron
from app.domain.interval import Interval
from app.domain.times import to_datetime, to_ms

#: When a schedule fires, apart from its start and end.
Timing: TypeAlias = Cron | Interval

#: With `catch_up: none`, a firing that is later than this counts as missed. Even a busy beat is never this late.
MISSED_AFTER_MS = 60_000
#: How many of the newest missed firings are caught up or recorded; older ones are skipped silently.
MAX_CAUGHT_UP = 1_000
#: How many firings of one schedule are processed in one step.
FIRINGS_PER_STEP = 100

_FIRST_LOOK_BACK = timedelta(seconds=60)
_MOST_GROWTH = 8
#: Looks a little further back than seems to be needed, or a clock change would cost a further step.
_MARGIN = 1.2


class CatchUp(StrEnum):
    """What to do with firings that no beat processed in time."""

    NONE = "none"
    LATEST = "latest"  # only the newest
    ALL = "all"  # oldest first, at most 1,000


@dataclass(frozen=True, slots=True)
class Rule:
    """When a schedule fires. Times are ms since 1970; start and end are inclusive; None means unbounded."""

    timing: Timing
    start_ms: int | None = None
    end_ms: int | None = None

    def next_after(self, after_ms: int) -> int | None:
        """The first firing strictly after `after_ms`, or None if no firings remain."""
        if self.start_ms is not None:
            after_ms = max(after_ms, self.start_ms - 1)
        timing = self.timing
        if isinstance(timing, Interval):
            following_ms = timing.next_after(after_ms)
        else:
            following_ms = _next_after(timing.resolved, timing.timezone, after_ms)
        if following_ms is None or (self.end_ms is not None and following_ms > self.end_ms):
            return None
        return following_ms

    def hashed_by(self, schedule_id: str) -> Rule:
        """The same rule, with each `H` of its expression resolved for this schedule."""
        if isinstance(self.timing, Interval) or not self.timing.has_hash:
            return self
        return replace(self, timing=replace(self.timing, hash_id=schedule_id))

    def upcoming(self, after_ms: int, count: int) -> list[int]:
        """The next `count` firings after `after_ms`, or fewer if fewer remain."""
        firings: list[int] = []
        following = self.next_after(after_ms)
        while following is not None and len(firings) < count:
            firings.append(following)
            following = self.next_after(following)
        return firings

    def newest(self, first_ms: int, now_ms: int, limit: int) -> list[int]:
        """The newest firings, at most `limit`, from `first_ms` (itself a firing) to `now_ms`, oldest first.

        Looks back from now in growing steps, so the work stays small however long no beat was running. What was found
        so far says how far to look next: most expressions fire evenly, so that little is found in vain.
        """
        look_back, start_ms, found = _FIRST_LOOK_BACK, now_ms + 1, list[int]()
        while start_ms > first_ms and len(found) < limit:
            earlier_ms = max(first_ms, now_ms - look_back // timedelta(milliseconds=1))
            found = self._between(earlier_ms - 1, start_ms - 1) + found
            start_ms = earlier_ms
            look_back *= min(_MOST_GROWTH, _MARGIN * limit / len(found)) if found else _MOST_GROWTH
        return found[-limit:]

    def _between(self, after_ms: int, until_ms: int) -> list[int]:
        found: list[int] = []
        following = self.next_after(after_ms)
        while following is not None and following <= until_ms:
            found.append(following)
            following = self.next_after(following)
        return found


@lru_cache(maxsize=8192)
def _next_after(expression: str, timezone: str, after_ms: int) -> int | None:
    """Cached, because thousands of schedules that fire at the same instant mostly share an expression."""
    following = Cron(expression, timezone).next_after(to_datetime(after_ms))
    return None if following is None else to_ms(following)


class Plan(NamedTuple):
    """What to do with a due schedule: the firings to run, the firings to record as missed, and the next firing."""

    firings: list[int]
    missed: list[int]
    following_ms: int | None


def plan(rule: Rule, seen_ms: int, now_ms: int, catch_up: CatchUp) -> Plan:
    """The plan for a schedule whose next firing `seen_ms` is due (seen_ms <= now_ms)."""
    following_ms = rule.next_after(seen_ms)
    if following_ms is None or following_ms > now_ms:
        due = [seen_ms]
    else:
        due = rule.newest(seen_ms, now_ms, MAX_CAUGHT_UP)
        following_ms = rule.next_after(now_ms)
    if catch_up is CatchUp.ALL:
        step, rest = due[:FIRINGS_PER_STEP], due[FIRINGS_PER_STEP:]
        return Plan(step, [], rest[0] if rest else following_ms)
    if catch_up is CatchUp.NONE and now_ms - due[-1] > MISSED_AFTER_MS:
        return Plan([], due, following_ms)
    return Plan(due[-1:], due[:-1], following_ms)


def jitter_ms(jitter_seconds: float, firing_ms: int, following_ms: int | None, spread: float) -> int:
    """How long a firing is delayed: `spread` (0..1) of the jitter, but at most half the time to the next firing."""
    bound_ms = jitter_seconds * 1000
    if following_ms is not None:
        bound_ms = min(bound_ms, (following_ms - firing_ms) / 2)
    return round(bound_ms * spread)
