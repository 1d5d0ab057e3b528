"""The wall-clock times that a parsed expression matches.

There is no zone here: a time is the number of seconds from 1970-01-01 00:00 on a wall clock that never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from app.domain.cron.fields import LAST, Fields

DAY_SECONDS = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MONTH_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EVERY_SEVENTH = 1 << 1 | 1 << 8 | 1 << 15 | 1 << 22 | 1 << 29  # bit n: the nth of the month


@dataclass(frozen=True, slots=True)
class WallClock:
    """A compiled expression.

    `days[weekday of the 1st, Monday = 0][days in the month - 28]` has bit n set where the nth matches: a
    month's calendar depends on nothing else, so a search over ten years is 120 look-ups.
    """

    seconds: int
    minutes: int
    hours: int
    months: int
    days: tuple[tuple[int, ...], ...]
    real_time: bool

    @classmethod
    def of(cls, fields: Fields) -> WallClock:
        """Expressions with the same days share one table of them: most have `* * *`."""
        days = _calendar(fields.days, fields.last_day, fields.weekdays, fields.nth_weekdays, fields.both_days)
        return cls(fields.seconds, fields.minutes, fields.hours, fields.months, days, fields.real_time)

    def ever_matches(self) -> bool:
        """Is there a day in any month? All 14 calendars of a year occur, again and again."""
        return any(
            self.days[first][length - 28]
            for month in range(1, 13)
            if self.months >> month & 1
            for length in ({28, 29} if month == 2 else {_MONTH_DAYS[month]})
            for first in range(7)
        )

    def next_wall(self, earliest: int, latest: int) -> int | None:
        """The first match at or after `earliest`; None when there is none up to the day of `latest`."""
        day, second = divmod(earliest, DAY_SECONDS)
        latest_day = latest // DAY_SECONDS
        found = self._next_day(day, latest_day)
        if found == day:
            time = self._next_time(second)
            if time is not None:
                return day * DAY_SECONDS + time
            found = self._next_day(day + 1, latest_day)
        if found is None:
            return None
        return found * DAY_SECONDS + self._first_time()

    def _next_day(self, day: int, latest_day: int) -> int | None:
        """The first matching day at or after `day`, both counted from 1970-01-01."""
        start = date.fromordinal(day + _EPOCH_ORDINAL)
        year, month = start.year, start.month
        skipped = start.day - 1  # days of the month that are over
        first = day - skipped  # the day that is the month's 1st
        while first <= latest_day:
            length = _month_length(year, month)
            if self.months >> month & 1:
                left = self.days[(first + 3) % 7][length - 28] >> (skipped + 1)  # 1970-01-01 was a Thursday
                if left:
                    found = first + skipped + _first(left)
                    return found if found <= latest_day else None
            first += length
            skipped = 0
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return None

    def _first_time(self) -> int:
        return _first(self.hours) * 3600 + _first(self.minutes) * 60 + _first(self.seconds)

    def _next_time(self, second_of_day: int) -> int | None:
        """The first matching second of the day, at or after this one."""
        minute_of_day, second = divmod(second_of_day, 60)
        hour, minute = divmod(minute_of_day, 60)
        if self.hours >> hour & 1:
            if self.minutes >> minute & 1:
                left = self.seconds >> second
                if left:
                    return second_of_day + _first(left)
            left = self.minutes >> (minute + 1)
            if left:
                return hour * 3600 + (minute + 1 + _first(left)) * 60 + _first(self.seconds)
        left = self.hours >> (hour + 1)
        if left:
            return (hour + 1 + _first(left)) * 3600 + _first(self.minutes) * 60 + _first(self.seconds)
        return None


def _first(bits: int) -> int:
    """The lowest bit that is set."""
    return (bits & -bits).bit_length() - 1


def _month_length(year: int, month: int) -> int:
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _MONTH_DAYS[month]


@lru_cache(maxsize=1024)
def _calendar(
    days: int, last_day: bool, weekdays: int, nth_weekdays: frozenset[tuple[int, int]], both_days: bool
) -> tuple[tuple[int, ...], ...]:
    """The table `WallClock.days`."""
    return tuple(
        tuple(
            _combined(
                days | (1 << length if last_day else 0),
                _by_weekday(weekdays, nth_weekdays, first, length),
                length,
                both_days,
            )
            for length in range(28, 32)
        )
        for first in range(7)
    )


def _combined(by_day: int, by_weekday: int, length: int, both_days: bool) -> int:
    """The days that match in a month of this length."""
    return (by_day & by_weekday if both_days else by_day | by_weekday) & _whole_month(length)


def _by_weekday(weekdays: int, nth_weekdays: frozenset[tuple[int, int]], first: int, length: int) -> int:
    """The days that match by their day of the week, where the month's 1st is the weekday `first` (Monday = 0)."""
    by_weekday = 0
    for weekday in range(7):
        if weekdays >> weekday & 1:
            by_weekday |= _weekday_bits(weekday, first)
    for weekday, nth in nth_weekdays:
        in_month = _weekday_bits(weekday, first) & _whole_month(length)
        if nth == LAST:
            by_weekday |= 1 << in_month.bit_length() - 1
        else:
            by_weekday |= in_month & 0b1111111 << (nth * 7 - 6)  # the nth week: days 1-7, 8-14, …
    return by_weekday


def _whole_month(length: int) -> int:
    return (1 << length + 1) - 2


def _weekday_bits(weekday: int, first: int) -> int:
    """Every day that is this weekday (Sunday = 0) in a month whose 1st is `first` (Monday = 0)."""
    return _EVERY_SEVENTH << (weekday - 1 - first) % 7
