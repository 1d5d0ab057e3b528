"""The cron expression as text -> the numbers that each field allows.

Each entry is checked here (kind) and then expanded by croniter. A set of numbers is an int with one bit per number, so
that "the next one from here on" is one shift.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.cron.errors import CronError
from app.domain.cron.expansion import Expanded, expand
from app.domain.cron.kind import DAY, KINDS, MONTH, WEEKDAY, Kind
from app.domain.cron.text import split_fields

LAST = 6  # beside 1..5 in `nth_weekdays`: the last such weekday of a month


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
    """Day of month AND day of week must match; else either is enough. As in Debian's cron, it is AND when one of
    the two begins with `*` (as anyone expects of a plain `*`; `*/2` counts as well)."""
    real_time: bool
    """Minute or hour begins with `*`: at a clock change it keeps to real time (see cron.py)."""


def parse_fields(expression: str) -> Fields:
    """CronError when it is malformed, or has an `H` (which hashed.py replaces).

    The work is bounded by the length, which is at most text.MAX_LENGTH.
    """
    texts = split_fields(expression)
    _, minute, hour, day, _, weekday = texts
    plain_days, last_day = _split_days(day)
    plain_weekdays, nth_weekdays = _split_weekdays(weekday)
    written = [_plain(kind, kind.entries(text)) for kind, text in zip(KINDS[:3], texts[:3], strict=True)]
    written += [_plain(DAY, plain_days), _plain(MONTH, MONTH.entries(texts[4])), _plain(WEEKDAY, plain_weekdays)]
    expanded, _ = expand(written)
    seconds, minutes, hours, days, months, weekdays = map(_bits, KINDS, expanded)
    return Fields(
        seconds,
        minutes,
        hours,
        days=days if plain_days else 0,
        months=months,
        weekdays=weekdays if plain_weekdays else 0,
        last_day=last_day,
        nth_weekdays=_nth(nth_weekdays),
        both_days=day.startswith("*") or weekday.startswith("*"),
        real_time=minute.startswith("*") or hour.startswith("*"),
    )


def _plain(kind: Kind, entries: list[str]) -> str:
    return ",".join(map(kind.plain, entries)) or "*"


def _bits(kind: Kind, numbers: Expanded) -> int:
    if "*" in numbers:
        return sum(1 << number for number in range(kind.low, kind.last + 1))
    return sum(1 << number for number in numbers if isinstance(number, int))


def _split_days(field: str) -> tuple[list[str], bool]:
    """The plain entries, and whether `L` is another one.

    It is taken out, since croniter counts it as a number: it takes 30 days and `L` for all 31.
    """
    entries = DAY.entries(field)
    plain = [entry for entry in entries if entry.lower() != "l"]
    return plain, len(plain) < len(entries)


def _split_weekdays(field: str) -> tuple[list[str], list[str]]:
    """The plain entries as they are, and those with `#` or `L` as croniter reads them."""
    special: list[str] = []
    plain: list[str] = []
    for entry in WEEKDAY.entries(field):
        nth = _nth_weekday(entry)
        if nth is None:
            plain.append(entry)
        else:
            special.append(nth)
    return plain, special


def _nth_weekday(entry: str) -> str | None:
    if "#" in entry:
        day, _, nth = entry.partition("#")
        _check_one_day(day, entry)
        if nth not in ("1", "2", "3", "4", "5"):
            raise CronError(f"{WEEKDAY.name}: in {entry!r} a number from 1 to 5 must follow the '#'")
        return f"{WEEKDAY.fold(WEEKDAY.number(day))}#{nth}"
    if entry.lower() == "l":
        raise CronError(f"{WEEKDAY.name}: 'L' needs a day beside it, as in 'L5', the month's last Friday")
    if entry.lower().startswith("l") or entry.lower().endswith("l"):
        day = entry[1:] if entry.lower().startswith("l") else entry[:-1]
        _check_one_day(day, entry)
        return f"l{WEEKDAY.fold(WEEKDAY.number(day))}"
    return None


def _check_one_day(day: str, entry: str) -> None:
    """For a message that names the entry as it was written, not a part of it."""
    if not day.isalnum():
        raise CronError(f"{WEEKDAY.name}: {entry!r} is not supported; write one day, as in 'fri#2' or 'L5'")


def _nth(entries: list[str]) -> frozenset[tuple[int, int]]:
    """(weekday, nth) of the entries with `#` or `L`.

    They are expanded by themselves: croniter refuses them beside plain days.
    """
    if not entries:
        return frozenset()
    _, by_weekday = expand(["*", "*", "*", "*", "*", ",".join(entries)])
    return frozenset((day, LAST if nth == "l" else int(nth)) for day, numbers in by_weekday.items() for nth in numbers)
