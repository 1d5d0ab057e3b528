"""The six kinds of field: what may stand in one, checked entry by entry and named where it is refused.

    field   = entry {"," entry}
    entry   = ("*" | "?" | value ["-" value]) ["/" step]   a range may wrap: fri-mon, 22-2 (not 1-0, which is all)
            | "H" ["(" value "-" value ")"] ["/" step]     a number of the schedule's own
            | "L"                                          day of month: the last one
            | "L" value | value "L"                        day of week: the month's last such day
            | value "#" 1..5                               day of week: the month's nth such day
    value   = number | name                                mon..sun and jan..dec, in any case

A step greater than the field is refused: `*/90` in the minutes would run every hour, not every 90 minutes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.cron.errors import CronError

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ENTRY = re.compile(r"(?P<low>\*|[0-9a-z]+)(?:-(?P<high>[0-9a-z]+))?(?:/(?P<step>[0-9]+))?", re.IGNORECASE)
_HASHED = re.compile(r"h(?:\((?P<low>[0-9a-z]+)-(?P<high>[0-9a-z]+)\))?(?:/(?P<step>[0-9]+))?", re.IGNORECASE)
_RANDOM = re.compile(r"r(\([^)]*\))?(/\d+)?", re.IGNORECASE)
#: What other schedulers have in the day of month, and what to write here instead.
_UNSUPPORTED_DAYS = {
    re.compile(r"l[-/].*|\d+l", re.IGNORECASE): "(only L); write L for the last day, or the number of a day",
    re.compile(r"lw|wl", re.IGNORECASE): "(the last weekday); write L, or L5 in the day of week for the last Friday",
    re.compile(r"\d*w\d*", re.IGNORECASE): "(the nearest weekday); write the day, or mon#3 in the day of week",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the six fields: its bounds, how many different numbers it has, the names of its first numbers."""

    name: str
    low: int
    high: int
    count: int
    names: tuple[str, ...] = ()
    hashed_high: int | None = None
    """The greatest number that a plain `H` picks, where it is not the field's last."""

    @property
    def last(self) -> int:
        """The last number of the cycle: 6 in days of the week, where 7 is another 0."""
        return self.low + self.count - 1

    def entries(self, field: str) -> list[str]:
        """The entries of a field, as they were written."""
        parts = field.split(",")
        if "" in parts:
            raise CronError(f"{self.name}: {field!r} has an empty entry")
        return parts

    def number(self, text: str) -> int:
        """What a number or a name stands for, not folded."""
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if not text.isdigit():
            example = f" or a name like {self.names[1]!r}" if self.names else ""
            raise CronError(f"{self.name}: {text!r} is not a number from {self.low} to {self.high}{example}")
        if not self.low <= int(text) <= self.high:
            raise CronError(f"{self.name}: {text} is not between {self.low} and {self.high}")
        return int(text)

    def fold(self, number: int) -> int:
        """A number past the end of the cycle, back in it: Sunday is 0 and 7, a wrapping range goes on."""
        return (number - self.low) % self.count + self.low

    def plain(self, entry: str) -> str:
        """A checked entry without `L`, `#` or `H`, in the form that croniter reads as it is meant here.

        croniter takes a range from a number to itself for the whole field, and loses count of the step where a
        range wraps: the first becomes a number, the second two ranges.
        """
        match = _ENTRY.fullmatch(entry)
        self._refuse_unsupported(entry)
        if match is None or (match["low"] == "*" and match["high"]):
            raise CronError(f"{self.name}: {entry!r} is not a number, a range, a step or '*'")
        step = self._step(match["step"])
        if match["low"] == "*":
            return f"*/{step}" if match["step"] else "*"
        low = self.number(match["low"])
        if match["high"]:
            return self._range(low, self._end(low, match["high"], entry), step)
        return f"{self.fold(low)}/{step}" if match["step"] else str(self.fold(low))

    def hashed(self, entry: str) -> str | None:
        """A checked `H` entry in the form that croniter reads, or None where it is another one."""
        match = _HASHED.fullmatch(entry)
        if match is None:
            return None
        low, high = self.low, self.hashed_high or self.last
        if match["low"]:
            low, high = self.number(match["low"]), self.number(match["high"])
            if not low < high <= (self.hashed_high or self.last):
                raise CronError(
                    f"{self.name}: the range in {entry!r} must go up, and end by {self.hashed_high or self.last}"
                )
        suffix = f"/{self._step(match['step'])}" if match["step"] else ""
        return f"h({low}-{high}){suffix}"

    def _range(self, low: int, high: int, step: int) -> str:
        """From `low` to `high`, which may lie past the cycle's end."""
        if low > self.last:
            low, high = low - self.count, high - self.count
        if high <= self.last:
            return _stepped(low, high, step)
        steps_to_the_end = (self.last - low) // step + 1
        again = low + steps_to_the_end * step - self.count
        parts = [_stepped(low, self.last, step)]
        if again <= high - self.count:
            parts.append(_stepped(again, high - self.count, step))
        return ",".join(parts)

    def _end(self, low: int, text: str, entry: str) -> int:
        """The end of a range that begins at `low`; where it wraps, past the field's own."""
        high = self.number(text)
        high += self.count if high < low else 0
        if high == low + self.count - 1 and high > self.high and not self.names:
            raise CronError(f"{self.name}: {entry!r} covers the whole field; write '*' for that")
        return high

    def _step(self, text: str | None) -> int:
        step = int(text or 1)
        if not 1 <= step <= self.high:
            instead = "; for a fixed interval use every_seconds" if step > self.high else ""
            raise CronError(f"{self.name}: the step {text} is not between 1 and {self.high}{instead}")
        return step

    def _refuse_unsupported(self, entry: str) -> None:
        if _RANDOM.fullmatch(entry):
            raise CronError(f"{self.name}: {entry!r} (a random time) is not supported; write H instead of R")
        if _HASHED.fullmatch(entry):
            raise CronError(f"{self.name}: {entry!r} is picked by a scheduled task's id, and there is none here")
        if self is DAY:
            for pattern, instead in _UNSUPPORTED_DAYS.items():
                if pattern.fullmatch(entry):
                    raise CronError(f"{self.name}: {entry!r} is not supported {instead}")


def _stepped(low: int, high: int, step: int) -> str:
    return str(low) if low == high else f"{low}-{high}/{step}"


SECOND = Kind("second", 0, 59, 60)
MINUTE = Kind("minute", 0, 59, 60)
HOUR = Kind("hour", 0, 23, 24)
DAY = Kind("day of month", 1, 31, 31, hashed_high=28)  # the days that every month has
MONTH = Kind("month", 1, 12, 12, _MONTH_NAMES)
WEEKDAY = Kind("day of week", 0, 7, 7, _DAY_NAMES)

#: As the fields are written.
KINDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
