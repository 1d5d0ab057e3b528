"""A timezone as stretches of constant UTC offset. Instants are seconds since 1970-01-01 UTC.

Zones come from the tzdata package, whose version is pinned, and not from the machine's own files: two
machines must not disagree about when a schedule fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from app.domain.cron.errors import CronZoneError
from app.domain.cron.zone_hints import near_names

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

# Two changes of one zone are never closer: 6.96 days is the least in tzdata 2026.6 (Gaza, around Ramadan).
_SCAN_STEP_SECONDS = 6 * 86_400
_MAX_NAME_LENGTH = 64
#: In the database, but no zone: a machine shows it when nobody has set its zone.
_NOWHERE = frozenset({"Factory"})


@dataclass(frozen=True, slots=True)
class Stretch:
    """The instants start ≤ t < end, at which the wall clock shows t + offset.

    `taken` is the wall time up to which earlier stretches have shown everything. Where it is greater than
    start + offset, the clock has been turned back and shows a time again; where it is less, the wall times
    between the two are skipped.
    """

    start: int
    end: int
    offset: int
    taken: int

    def first_wall(self, earliest: int, real_time: bool) -> int:
        """The first wall time that counts for an instant ≥ `earliest`, which must lie before `end`.

        In real time that is what the clock shows. Otherwise every wall time counts once: one that is shown
        again does not, one that was skipped does, at `start`.
        """
        shown = max(earliest, self.start) + self.offset
        if real_time:
            return shown
        return self.taken if earliest <= self.start else max(self.taken, shown)


def zone_version() -> str:
    """The version of the zones."""
    return str(tzdata.__version__)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA name that is accepted."""
    return frozenset((files("tzdata") / "zones").read_text("utf-8").split()) - _NOWHERE


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """CronZoneError when `name` is not exactly an IANA name; the message shows the nearest ones."""
    if name not in zone_names():
        raise CronZoneError(_not_a_zone(name))
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _not_a_zone(name: str) -> str:
    written = name[:_MAX_NAME_LENGTH]
    shown = "".join(character if character.isprintable() else "?" for character in written)
    near = near_names(written, zone_names())
    if not near:
        return f"{shown!r} is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"
    note = " (names in Etc have the opposite sign)" if near[0].startswith("Etc/GMT") else ""
    return f"{shown!r} is not an IANA timezone; did you mean {' or '.join(map(repr, near))}?{note}"


@lru_cache(maxsize=4096)
def stretches(zone_name: str, year: int) -> tuple[Stretch, ...]:
    """The stretches that touch this UTC year, in order; the last one ends with the year at the latest.

    A clock turned back at the end of the old year shows times again in the new one, so the scan begins a
    little earlier, by more than the 24 hours that are the most a zone has ever been turned back.
    """
    zone = load_zone(zone_name)
    year_start, year_end = _instant(year), _instant(year + 1)
    start = year_start - _SCAN_STEP_SECONDS
    offset = _offset_at(zone, start)
    taken = start + offset
    found: list[Stretch] = []
    for change in [*_changes(zone, start, year_end), year_end]:
        if change > year_start:
            found.append(Stretch(start, change, offset, taken))
        taken = max(taken, change + offset)
        start, offset = change, _offset_at(zone, change)
    return tuple(found)


def _changes(zone: ZoneInfo, start: int, end: int) -> list[int]:
    """The instants in start < t < end at which the offset changes."""
    changes = []
    before = _offset_at(zone, start)
    for low in range(start, end, _SCAN_STEP_SECONDS):
        high = min(low + _SCAN_STEP_SECONDS, end)
        after = _offset_at(zone, high)
        if after != before:
            changes.append(_change_between(zone, low, high))
        before = after
    return [change for change in changes if change < end]


def _change_between(zone: ZoneInfo, low: int, high: int) -> int:
    """The instant of the one change in low < t ≤ high."""
    before = _offset_at(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset_at(zone: ZoneInfo, instant: int) -> int:
    offset = (EPOCH + instant * SECOND).astimezone(zone).utcoffset()
    if offset is None:
        raise CronZoneError(f"{zone.key!r} has no UTC offset")
    return offset // SECOND


def _instant(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // SECOND
