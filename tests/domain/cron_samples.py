"""Random cron expressions, each with the numbers that it allows, worked out without the parser under test."""

from __future__ import annotations

import calendar
import functools
from dataclasses import dataclass
from datetime import date, datetime

from hypothesis import strategies as st

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",  # winter time is its "summer time"
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",  # changes at midnight
    "Asia/Beirut",  # at midnight as well
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # by 30 minutes
    "Africa/Casablanca",  # twice around Ramadan
    "Antarctica/Troll",  # by two hours
    "Pacific/Apia",  # a day left out
    "Pacific/Chatham",
]


@dataclass(frozen=True)
class Sample:
    """One field's text and its numbers; a `#` or `L` entry is in `nth` as (weekday, 1..5, or 0 for the last)."""

    text: str
    numbers: frozenset[int]
    nth: frozenset[tuple[int, int]] = frozenset()
    last_day: bool = False


@dataclass(frozen=True)
class SampleCron:
    """An expression and what it allows."""

    second: Sample
    minute: Sample
    hour: Sample
    day: Sample
    month: Sample
    weekday: Sample

    @property
    def expression(self) -> str:
        fields = [self.minute, self.hour, self.day, self.month, self.weekday]
        five = " ".join(field.text for field in fields)
        return five if self.second.text == "" else f"{self.second.text} {five}"

    @property
    def real_time(self) -> bool:
        return self.minute.text.startswith("*") or self.hour.text.startswith("*")

    def matches(self, wall: datetime) -> bool:
        """Does the wall clock's time match?"""
        return (
            wall.second in self.second.numbers
            and wall.minute in self.minute.numbers
            and wall.hour in self.hour.numbers
            and self.matches_day(wall.date())
        )

    def matches_day(self, day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        weekday = day.isoweekday() % 7
        by_day = day.day in self.day.numbers or (self.day.last_day and day.day == length)
        by_weekday = weekday in self.weekday.numbers or any(
            weekday == wanted and (day.day + 7 > length if nth == 0 else (day.day - 1) // 7 + 1 == nth)
            for wanted, nth in self.weekday.nth
        )
        both = self.day.text.startswith("*") or self.weekday.text.startswith("*")
        return day.month in self.month.numbers and (by_day and by_weekday if both else by_day or by_weekday)


_shapes = st.sampled_from(["*", "*/", "n", "n", "n/", "-", "-/"])

# Hypothesis takes longer to make a strategy than to draw from it, so each of these is made once.


@functools.cache
@st.composite
def plain_entries(draw: st.DrawFn, low: int, high: int, wrapping: bool = True) -> Sample:
    """`*`, a number, a range (with `wrapping`, possibly from high to low, or to itself), each perhaps with a step."""
    shape = draw(_shapes)
    everything = range(low, high + 1)
    step = draw(st.integers(1, high)) if "/" in shape else 1
    suffix = f"/{step}" if "/" in shape else ""
    if shape.startswith("*"):
        return Sample(f"*{suffix}", frozenset(everything[::step]))
    first = draw(st.sampled_from(everything))
    if shape == "n/" and wrapping:  # cronsim counts days of the week to 7 here
        return Sample(f"{first}{suffix}", frozenset(range(first, high + 1, step)))
    if shape in ("n", "n/") or (first == high and not wrapping):
        return Sample(str(first), frozenset([first]))
    last = draw(st.sampled_from(everything if wrapping else range(first + 1, high + 1)))
    if last == first - 1 and high in (59, 23, 31):  # covers the whole field: refused
        return Sample(str(first), frozenset([first]))
    cycle = [*range(first, high + 1), *range(low, last + 1)] if last < first else list(range(first, last + 1))
    return Sample(f"{first}-{last}{suffix}", frozenset(cycle[::step]))


@functools.cache
def fields(low: int, high: int, wrapping: bool = True) -> st.SearchStrategy[Sample]:
    return _lists_of(plain_entries(low, high, wrapping))


@functools.cache
def day_fields(wrapping: bool = True) -> st.SearchStrategy[Sample]:
    last = Sample("L", frozenset(), last_day=True)
    return _lists_of(st.one_of(plain_entries(1, 31, wrapping), st.just(last)))


@functools.cache
def weekday_fields(wrapping: bool = True, last_first: bool = True) -> st.SearchStrategy[Sample]:
    weekdays = st.integers(0, 6)
    last = weekdays.map(lambda day: Sample(f"L{day}" if last_first else f"{day}L", frozenset(), frozenset([(day, 0)])))
    nth = st.tuples(weekdays, st.integers(1, 5)).map(
        lambda pair: Sample(f"{pair[0]}#{pair[1]}", frozenset(), frozenset([pair]))
    )
    return _lists_of(st.one_of(plain_entries(0, 6, wrapping), last, nth))


def _lists_of(entries: st.SearchStrategy[Sample]) -> st.SearchStrategy[Sample]:
    return st.lists(entries, min_size=1, max_size=3).map(_together)


def _together(entries: list[Sample]) -> Sample:
    return Sample(
        ",".join(entry.text for entry in entries),
        frozenset().union(*(entry.numbers for entry in entries)),
        frozenset().union(*(entry.nth for entry in entries)),
        any(entry.last_day for entry in entries),
    )


ANY_DAY = Sample("*", frozenset(range(1, 32)))
ANY_MONTH = Sample("*", frozenset(range(1, 13)))
ANY_WEEKDAY = Sample("*", frozenset(range(7)))
NO_SECOND = Sample("", frozenset([0]))  # five fields: second 0


def crons(wrapping: bool = True, with_seconds: bool = True, last_first: bool = True) -> st.SearchStrategy[SampleCron]:
    """Any expression. Days are left open half of the time, or next to nothing would match in a short window."""
    return st.builds(
        SampleCron,
        second=st.one_of(st.just(NO_SECOND), fields(0, 59, wrapping)) if with_seconds else st.just(NO_SECOND),
        minute=fields(0, 59, wrapping),
        hour=fields(0, 23, wrapping),
        day=st.one_of(st.just(ANY_DAY), day_fields(wrapping)),
        month=st.one_of(st.just(ANY_MONTH), fields(1, 12, wrapping)),
        weekday=st.one_of(st.just(ANY_WEEKDAY), weekday_fields(wrapping, last_first)),
    )
