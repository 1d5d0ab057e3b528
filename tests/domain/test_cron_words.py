"""A description says what happens: the words are read back, and held against the firings."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.cron import Cron
from tests.domain.cron_samples import SampleCron, crons
from tests.domain.cron_words_reader import read
from tests.domain.test_cron_properties import moments

DAYS = [date(2027, 1, 1) + timedelta(days=number) for number in range(2 * 365 + 1)]  # 2028 is a leap year


@functools.cache
def minutes_at(second: int) -> list[time]:
    """The times of a day that show this second."""
    return [time(hour, minute, second) for hour in range(24) for minute in range(60)]


@given(crons(), st.integers(0, 59))
def test_the_words_claim_exactly_the_times_and_days_that_were_written(sample: SampleCron, second: int) -> None:
    times, days = read(Cron(sample.expression, "UTC").describe())
    for shown in {0, second}:
        second_matches = shown in sample.second.numbers
        for at in minutes_at(shown):
            matches = second_matches and at.minute in sample.minute.numbers and at.hour in sample.hour.numbers
            assert times(at) == matches
    for day in DAYS:
        assert days(day) == sample.matches_day(day)


@given(crons(), moments)
def test_every_firing_is_one_that_the_words_claim(sample: SampleCron, moment: datetime) -> None:
    cron = Cron(sample.expression, "UTC")
    times, days = read(cron.describe())
    firings = cron.upcoming(moment, 20)
    assume(firings)
    assert all(times(firing.time()) and days(firing.date()) for firing in firings)


@pytest.mark.parametrize(
    ("unit", "expression", "cycle", "seconds"),
    [
        ("second", "*/{} * * * * *", 60, 1),
        ("minute", "*/{} * * * *", 60, 60),
        ("hour", "0 */{} * * *", 24, 3600),
    ],
)
def test_every_n_is_said_only_where_it_is_n_from_each_firing_to_the_next(
    unit: str, expression: str, cycle: int, seconds: int
) -> None:
    for step in range(1, cycle):
        cron = Cron(expression.format(step), "UTC")
        firings = cron.upcoming(datetime(2026, 11, 23, tzinfo=UTC), 2 * cycle)
        distances = {later - earlier for earlier, later in pairwise(firings)}
        every = "Every " + (unit if step == 1 else f"{step} {unit}s")
        if cron.describe() == every:
            assert distances == {timedelta(seconds=seconds * step)}
        else:
            # Four times a day and fewer are named one by one.
            assert cycle % step or (unit == "hour" and step >= 6)
            assert every not in cron.describe()


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        # A step that does not divide its field, or divides no month.
        ("*/50 * * * *", "At 0 and 50 minutes past the hour"),
        ("*/7 * * * * *", "At 0, 7, 14, 21, 28, 35, 42, 49, and 56 seconds past the minute"),
        ("0 */5 * * *", "At 00:00, 05:00, 10:00, 15:00, and 20:00"),
        ("0 0 */31 * *", "At 00:00, on day 1 of the month"),
        ("0 0 */2 * *", "At 00:00, on odd days of the month"),
        ("0 0 2/2 * *", "At 00:00, on even days of the month"),
        ("0 0 1 */5 *", "At 00:00, on day 1 of the month, only in January, June, and November"),
        ("0 0 * * */2", "At 00:00, only on Sunday, Tuesday, Thursday, and Saturday"),
        # One that divides it, but does not begin at 0.
        ("5/20 * * * *", "At 5, 25, and 45 minutes past the hour"),
        ("0 1/2 * * *", "At 01:00, 03:00, 05:00, 07:00, 09:00, 11:00, 13:00, 15:00, 17:00, 19:00, 21:00, and 23:00"),
        # Steps in two fields.
        ("0 */2 * * *", "Every 2 hours"),
        ("30 */2 * * *", "At 30 minutes past the hour, every 2 hours"),
        ("*/15 9-17 * * mon-fri", "Every 15 minutes, between 09:00 and 17:59, Monday through Friday"),
        ("*/20 */30 * * * *", "Every 20 seconds, in minutes 0 and 30 of the hour"),
        ("30 * * * * *", "At 30 seconds past the minute"),
        # The two day fields: a leading star says AND, else it is OR.
        ("0 14 */14 * 3", "At 14:00, on days 1, 15, and 29 of the month, only if a Wednesday"),
        ("0 14 1,15 * 3", "At 14:00, on days 1 and 15 of the month or on Wednesday"),
        ("0 0 1-7 * mon-fri", "At 00:00, on days 1 through 7 of the month or on any day from Monday through Friday"),
        ("0 0 1-31 * mon", "At 00:00"),
        ("0 0 */2 * mon#1", "At 00:00, on odd days of the month, only if the first Monday of the month"),
        # Ranges round the end.
        ("0 0 * nov-feb fri-mon", "At 00:00, Friday through Monday, November through February"),
        ("* 3,22-1 * * *", "Every minute, between 22:00 and 01:59 and between 03:00 and 03:59"),
        ("0 0 12 * * ?", "At 12:00"),
        ("@midnight", "At 00:00"),
    ],
)
def test_what_others_word_wrongly(expression: str, words: str) -> None:
    assert Cron(expression, "UTC").describe() == words
