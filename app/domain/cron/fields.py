"""The cron expression as text → the numbers each field allows.

    field   = entry {"," entry}
    entry   = ("*" | value ["-" value]) ["/" step]     a range may wrap, but not all the way round: fri-mon, 22-2
            | "L"                                      day of month: the last one
            | "L" value | value "L"                    day of week: the month's last such day
            | value "#" 1..5                           day of week: the month's nth such day
    value   = number | name                            mon..sun and jan..dec, in any case

Everything else is refused by name of the field: `?`, `W`, a year, croniter's random `R` and hashed `H`.
A step greater than the field is refused too: `*/90` in the minutes would run every hour, not every 90.
A set of numbers is an int with one bit per number, so that "the next one from here on" is one shift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain.cron.errors import CronError

MAX_LENGTH = 200
LAST = 6  # beside 1..5 in `nth_weekdays`: the last such weekday of a month

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_STRANGE = re.compile(r"[^0-9A-Za-z*,/#@ \t-]")
_ENTRY = re.compile(r"(?P<low>\*|[0-9a-z]+)(?:-(?P<high>[0-9a-z]+))?(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Fields:
    """A parsed expression. `weekdays` counts from Sunday = 0."""

    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    last_day: bool
    nth_weekdays: frozenset[tuple[int, int]]
    both_days: bool
    """Day of month AND day of week must match; else either will do. As Debian's cron does it: AND when one
    of the two begins with `*` (for a plain `*` that is what anyone expects; `*/2` counts as well)."""
    real_time: bool
    """Minute or hour begins with `*`: at a clock change it keeps to real time (see cron.py)."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the six fields: its bounds, how many different numbers it has, its names' first number."""

    name: str
    low: int
    high: int
    count: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.low
        if not text.isdigit():
            example = f" or a name like {self.names[1]!r}" if self.names else ""
            raise CronError(f"{self.name}: {text!r} is not a number from {self.low} to {self.high}{example}")
        if not self.low <= int(text) <= self.high:
            raise CronError(f"{self.name}: {text} is not between {self.low} and {self.high}")
        return int(text)

    def fold(self, number: int) -> int:
        """A number past the end of the cycle, back in it: Sunday is 0 and 7, a wrapping range goes on."""
        return (number - self.low) % self.count + self.low

    def entry(self, text: str) -> Iterator[int]:
        """The numbers of one plain entry (no `L`, no `#`)."""
        match = _ENTRY.fullmatch(text)
        if match is None or (match["low"] == "*" and match["high"]):
            raise CronError(f"{self.name}: {text!r} is not a number, a range, a step or '*'")
        last = self.low + self.count - 1
        low = self.low if match["low"] == "*" else self.number(match["low"])
        step = self._step(match["step"])
        if match["high"]:
            high = self._end(low, match["high"], text)
        elif match["low"] == "*" or match["step"]:
            low, high = self.fold(low), last  # "10/5" is "10-59/5"
        else:
            high = low
        return (self.fold(number) for number in range(low, high + 1, step))

    def _end(self, low: int, text: str, entry: str) -> int:
        """The end of a range that begins at `low`; where it wraps, past the field's own."""
        high = self.number(text)
        high += self.count if high < low else 0
        if high == low + self.count - 1 and high > self.high and not self.names:
            raise CronError(f"{self.name}: {entry!r} goes all the way round; for every one write '*'")
        return high

    def _step(self, text: str | None) -> int:
        if text is not None and not 1 <= int(text) <= self.high:
            raise CronError(f"{self.name}: the step {text} is not between 1 and {self.high}")
        return int(text or 1)


_SECOND = _Kind("second", 0, 59, 60)
_MINUTE = _Kind("minute", 0, 59, 60)
_HOUR = _Kind("hour", 0, 23, 24)
_DAY = _Kind("day of month", 1, 31, 31)
_MONTH = _Kind("month", 1, 12, 12, _MONTH_NAMES)
_WEEKDAY = _Kind("day of week", 0, 7, 7, _DAY_NAMES)


def parse_fields(expression: str) -> Fields:
    """CronError when it is malformed. The work is bounded by the length, which is at most MAX_LENGTH."""
    second, minute, hour, day, month, weekday = split_fields(expression)
    plain_days = [entry for entry in entries(_DAY, day) if entry != "l"]
    nth_weekdays, plain_weekdays = _split_weekdays(weekday)
    return Fields(
        seconds=_numbers(_SECOND, entries(_SECOND, second)),
        minutes=_numbers(_MINUTE, entries(_MINUTE, minute)),
        hours=_numbers(_HOUR, entries(_HOUR, hour)),
        days=_numbers(_DAY, plain_days),
        months=_numbers(_MONTH, entries(_MONTH, month)),
        weekdays=_numbers(_WEEKDAY, plain_weekdays),
        last_day="l" in entries(_DAY, day),
        nth_weekdays=frozenset(nth_weekdays),
        both_days=day.startswith("*") or weekday.startswith("*"),
        real_time=minute.startswith("*") or hour.startswith("*"),
    )


def split_fields(expression: str) -> list[str]:
    """The six fields, lower case, seconds first ("0" where there were five); aliases written out."""
    if len(expression) > MAX_LENGTH:
        raise CronError(f"a cron expression has at most {MAX_LENGTH} characters, not {len(expression)}")
    strange = _STRANGE.search(expression)
    if strange:
        raise CronError(f"{strange[0]!r} has no meaning in a cron expression")
    text = expression.strip().lower()
    if text.startswith("@") and text not in ALIASES:
        raise CronError(f"{text.split()[0]!r} is not one of {', '.join(ALIASES)}")
    fields = ALIASES.get(text, text).split()
    if len(fields) not in (5, 6):
        raise CronError(
            "a cron expression has five fields (minute, hour, day of month, month, day of week)"
            f" or six (with the second first); this one has {len(fields)}"
        )
    return fields if len(fields) == 6 else ["0", *fields]


def entries(kind: _Kind, field: str) -> list[str]:
    parts = field.split(",")
    if "" in parts:
        raise CronError(f"{kind.name}: {field!r} has an empty entry")
    return parts


def _numbers(kind: _Kind, plain_entries: Iterable[str]) -> int:
    bits = 0
    for entry in plain_entries:
        for number in kind.entry(entry):
            bits |= 1 << number
    return bits


def _split_weekdays(field: str) -> tuple[list[tuple[int, int]], list[str]]:
    """The entries with `#` or `L` as (weekday, nth), and the plain ones as they are."""
    special: list[tuple[int, int]] = []
    plain: list[str] = []
    for entry in entries(_WEEKDAY, field):
        nth = _nth_weekday(entry)
        if nth is None:
            plain.append(entry)
        else:
            special.append(nth)
    return special, plain


def _nth_weekday(entry: str) -> tuple[int, int] | None:
    if "#" in entry:
        day, _, nth = entry.partition("#")
        if nth not in ("1", "2", "3", "4", "5"):
            raise CronError(f"{_WEEKDAY.name}: in {entry!r} a number from 1 to 5 must follow the '#'")
        return _WEEKDAY.fold(_WEEKDAY.number(day)), int(nth)
    if entry == "l":
        raise CronError(f"{_WEEKDAY.name}: 'L' needs a day beside it, as in 'L5', the month's last Friday")
    if entry.startswith("l") or entry.endswith("l"):
        day = entry[1:] if entry.startswith("l") else entry[:-1]
        return _WEEKDAY.fold(_WEEKDAY.number(day)), LAST
    return None
