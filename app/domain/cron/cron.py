"""When a cron expression fires, in a time zone, through every clock change.

The rule is that of Debian's cron (cron(8), "Notes", and the main loop of its cron.c):

- An expression whose minute or hour field *begins with* `*` (`*`, `*/15`; so `@hourly` too) keeps to real
  time: it fires whenever the wall clock, changed as it is, shows a matching time. `*/15 * * * *` goes on
  every 15 minutes of elapsed time; a time that comes twice fires twice, a skipped one does not.
- Every other expression is about times of day. Each wall-clock time that it matches fires exactly once:
  one that comes twice, the first time; one that is skipped, at the first instant after the gap. Several
  skipped times that end up at one instant (`0,30 2 * * *`, `0 2,3 * * *`) are one firing.

The seconds field of a six-field expression has no say in this. One difference: Debian takes a jump of more
than three hours for a correction of the clock, and drops what it skipped. A zone that jumps (Apia had no
30 December 2011) is no such correction, so here the rule holds for a gap of any length: nothing is lost.

How: a zone is a row of stretches of constant offset (zone). The expression is searched for in each of them,
on the wall clock (wall), without the wall times that earlier stretches have shown.
Pure: time comes in as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from app.domain.cron.errors import CronError
from app.domain.cron.fields import parse_fields
from app.domain.cron.hashed import is_hashed, resolve
from app.domain.cron.wall import DAY_SECONDS, WallClock
from app.domain.cron.words import describe
from app.domain.cron.zone import EPOCH, SECOND, load_zone, stretches

_HORIZON_SECONDS = 3653 * DAY_SECONDS  # ten years, with the most leap days they can have
_LAST_YEAR = 9980  # datetime ends with 9999; no search may run out of it


#: The id that stands in for a schedule's own where there is none yet: a preview.
EXAMPLE_ID = "example"


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression in a time zone.

    Make one from a user's input with `parse`. The plain constructor checks nothing: it is for what `parse` has
    accepted before (a stored schedule). With anything else the methods raise CronError.
    """

    expression: str
    timezone: str
    hash_id: str | None = None
    """The schedule's id, from which each `H` gets its number. Without it an expression with `H` is malformed."""

    @classmethod
    def parse(cls, expression: str, timezone: str, *, now: datetime, hash_id: str | None = None) -> Cron:
        """Raises CronError when the expression is malformed, can never match or does not within ten years of
        `now`; CronZoneError when there is no such time zone."""
        cron = cls(expression.strip(), timezone, hash_id)
        load_zone(timezone)
        if not _compiled(cron.resolved).ever_matches():
            raise CronError("it never matches: no month that it names has such a day")
        if cron.next_after(now) is None:
            raise CronError("it does not match within the next ten years")
        return cron

    @property
    def has_hash(self) -> bool:
        """Whether the expression has an `H`."""
        return is_hashed(self.expression)

    @property
    def resolved(self) -> str:
        """The expression with a number in the place of each `H`: all that decides when it fires, beside the zone."""
        if self.hash_id is None or not self.has_hash:
            return self.expression
        return resolve(self.expression, self.hash_id)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after `moment` (aware): aware, UTC, a whole second.

        None when there is none within ten years. A moment before 1970 counts as 1970.
        """
        if moment.tzinfo is None:
            raise ValueError("a moment needs a timezone")
        if moment.year > _LAST_YEAR:
            return None
        earliest = max((moment - EPOCH) // SECOND + 1, 0)
        instant = _first_firing(_compiled(self.resolved), self.timezone, earliest)
        return None if instant is None else EPOCH + timedelta(seconds=instant)

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        """The next `count` firings after `moment`, in order; fewer when none follows for ten years."""
        firings: list[datetime] = []
        following = self.next_after(moment)
        while following is not None and len(firings) < count:
            firings.append(following)
            following = self.next_after(following)
        return firings

    def describe(self) -> str:
        """In English: "At 02:30, Monday through Friday"."""
        words = describe(self.resolved)
        if self.hash_id == EXAMPLE_ID and self.has_hash:
            return f"{words} (an example: each scheduled task gets its own number for H)"
        return words


# For ten thousand schedules of as many expressions: reading one again at each firing would cost beat a tenth of a ms.
@lru_cache(maxsize=16_384)
def _compiled(expression: str) -> WallClock:
    return WallClock.of(parse_fields(expression))


def _first_firing(clock: WallClock, timezone: str, earliest: int) -> int | None:
    """The first firing at or after the instant `earliest`, or None within the horizon."""
    latest = earliest + _HORIZON_SECONDS
    beyond = latest + 3 * DAY_SECONDS  # as wall time: past `latest` in every zone
    searched = wall = beyond  # no match in searched ≤ w < wall; nothing is known yet
    year = (EPOCH + timedelta(seconds=earliest)).year
    while earliest <= latest:
        for stretch in stretches(timezone, year):
            if stretch.end <= earliest:
                continue
            low = stretch.first_wall(earliest, clock.real_time)
            if not searched <= low <= wall:  # a yearly schedule asks the calendar once, not per stretch
                searched = low
                found = clock.next_wall(low, beyond)
                wall = beyond if found is None else found
            instant = max(wall - stretch.offset, stretch.start)  # in a gap: right after it
            if instant < stretch.end:
                return instant if instant <= latest else None
            earliest = stretch.end
        year += 1
    return None
