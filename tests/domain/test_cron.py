"""The next firing, a list of them, and an expression in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.domain.cron import Cron, CronError, CronZoneError

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "2026-11-23T08:31:00"),
        ("30 8 * * *", "2026-11-24T08:30:00"),  # strictly after: today's is now
        ("* * * * * *", "2026-11-23T08:30:01"),
        ("0 0 12 * * ?", "2026-11-23T12:00:00"),  # as Quartz writes it
        ("*/15 * * * *", "2026-11-23T08:45:00"),
        ("0 9 * * mon-fri", "2026-11-23T09:00:00"),
        ("0 8 * * mon-fri", "2026-11-24T08:00:00"),
        ("0 0 1 * *", "2026-12-01T00:00:00"),
        ("0 0 1 1 *", "2027-01-01T00:00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 L * *", "2026-11-30T00:00:00"),
        ("0 0 L 2 *", "2027-02-28T00:00:00"),
        ("0 0 * * L5", "2026-11-27T00:00:00"),
        ("0 0 * * 1#1", "2026-12-07T00:00:00"),
        ("0 0 * * 1#5", "2026-11-30T00:00:00"),
        ("0 0 13 * 5", "2026-11-27T00:00:00"),  # either the 13th or a Friday
        ("0 0 */13 * 5", "2026-11-27T00:00:00"),  # a Friday AND one of the 1st, 14th, 27th
        ("0 0 */12 * 5", "2026-12-25T00:00:00"),  # a Friday AND one of the 1st, 13th, 25th
        ("@hourly", "2026-11-23T09:00:00"),
        ("@daily", "2026-11-24T00:00:00"),
        ("@weekly", "2026-11-29T00:00:00"),
        ("@monthly", "2026-12-01T00:00:00"),
        ("@yearly", "2027-01-01T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59"),
    ],
)
def test_next_firing(expression: str, expected: str) -> None:
    assert Cron.parse(expression, "UTC", now=NOW).next_after(NOW) == datetime.fromisoformat(expected + "+00:00")


def test_a_firing_is_aware_utc_and_a_whole_second() -> None:
    following = Cron("*/15 * * * *", "Asia/Tokyo").next_after(NOW + timedelta(microseconds=1))
    assert following is not None
    assert following.tzinfo is UTC
    assert following.microsecond == 0


@pytest.mark.parametrize("microseconds", [1, 999, 1_000, 999_999])
def test_a_firing_a_fraction_of_a_second_ahead_is_the_next(microseconds: int) -> None:
    nine = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    cron = Cron("0 9 * * *", "UTC")
    assert cron.next_after(nine - timedelta(microseconds=microseconds)) == nine
    assert cron.next_after(nine) == nine + timedelta(days=1)
    assert cron.next_after(nine + timedelta(microseconds=microseconds)) == nine + timedelta(days=1)


def test_the_moment_may_be_in_any_zone() -> None:
    cron = Cron("0 9 * * *", "Europe/Berlin")
    assert cron.next_after(NOW.astimezone(timezone(timedelta(hours=-11)))) == cron.next_after(NOW)


def test_a_naive_moment_is_an_error_of_ours() -> None:
    with pytest.raises(ValueError, match=r"^a moment needs a timezone$"):
        Cron("0 9 * * *", "UTC").next_after(datetime(2026, 1, 1))


def test_nothing_within_ten_years_is_none() -> None:
    cron = Cron("0 0 */28 2 1#5", "UTC")  # a 29 February that is a Monday: 2044
    leap_monday = datetime(2044, 2, 29, tzinfo=UTC)
    ten_years = timedelta(days=3653)
    assert cron.next_after(leap_monday - ten_years - timedelta(seconds=2)) is None
    assert cron.next_after(leap_monday - ten_years - timedelta(seconds=1)) == leap_monday
    assert cron.upcoming(leap_monday - timedelta(days=1), 5) == [leap_monday]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_before_1970_is_1970(moment: datetime) -> None:
    for expression in ("0 0 * * *", "* * * * * *"):
        assert Cron(expression, "UTC").next_after(moment) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("year", [9980, 9981, 9999])
def test_at_the_end_of_the_calendar_there_is_an_answer_or_none(year: int) -> None:
    following = Cron("0 0 1 1 *", "Europe/Berlin").next_after(datetime(year, 12, 31, 23, 30, tzinfo=UTC))
    assert (following is None) == (year > 9980)


def test_upcoming_is_in_order_and_stops_at_the_count() -> None:
    cron = Cron("0 12 * * *", "UTC")
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert cron.upcoming(NOW, 3) == [noon, noon + timedelta(days=1), noon + timedelta(days=2)]
    assert cron.upcoming(NOW, 0) == []


def test_parse_keeps_what_the_user_wrote_without_the_space_around_it() -> None:
    assert Cron.parse("  0 9 * * MON\t", "Europe/Berlin", now=NOW) == Cron("0 9 * * MON", "Europe/Berlin")


def test_a_wrong_zone_is_told_before_an_expression_that_never_matches() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(CronZoneError):
        Cron.parse("0 0 30 2 *", "Mars", now=now)
    with pytest.raises(CronError, match="never matches"):
        Cron.parse("0 0 30 2 *", "UTC", now=now)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 */10 * * * *", "2026-02-02 13:10:30"),  # the same hour
        ("30 15 */6 * * *", "2026-02-02 18:15:30"),  # a later hour
        ("30 15 10 * * *", "2026-02-03 10:15:30"),  # another day
        ("0 0 * * 6", "2026-02-07 00:00:00"),
        ("0 0 * * 0", "2026-02-08 00:00:00"),
    ],
)
def test_the_next_time_has_the_first_of_each_smaller_unit(expression: str, expected: str) -> None:
    monday = datetime(2026, 2, 2, 13, 3, 10, tzinfo=UTC)
    assert Cron(expression, "UTC").next_after(monday) == datetime.fromisoformat(f"{expected}+00:00")


def test_a_century_has_a_leap_day_once_in_four() -> None:
    leap_day = Cron("0 0 29 2 *", "UTC")
    for year, expected in ((1999, 2000), (2001, 2004), (2097, 2104), (2399, 2400)):
        assert leap_day.next_after(datetime(year, 3, 1, tzinfo=UTC)) == datetime(expected, 2, 29, tzinfo=UTC)


def test_the_fifth_weekday_of_a_month_is_not_its_last() -> None:
    february = datetime(2026, 2, 1, tzinfo=UTC)
    assert Cron("0 0 * * 1#5", "UTC").next_after(february) == datetime(2026, 3, 30, tzinfo=UTC)
    assert Cron("0 0 * * 1L", "UTC").next_after(february) == datetime(2026, 2, 23, tzinfo=UTC)


def test_years_are_counted_through_december() -> None:
    december = datetime(2026, 12, 15, tzinfo=UTC)
    assert Cron("0 0 29 2 *", "UTC").next_after(december) == datetime(2028, 2, 29, tzinfo=UTC)
    assert Cron("0 0 L 2 *", "UTC").upcoming(december, 2) == [
        datetime(2027, 2, 28, tzinfo=UTC),
        datetime(2028, 2, 29, tzinfo=UTC),
    ]
    assert Cron("0 0 5 1 *", "UTC").next_after(december) == datetime(2027, 1, 5, tzinfo=UTC)


def test_a_day_may_match_in_one_calendar_only() -> None:
    """A 29 April that is a Sunday needs a month that begins with a Sunday: 2029."""
    cron = Cron.parse("0 0 */28 4 */7", "UTC", now=datetime(2026, 5, 1, tzinfo=UTC))
    assert [day.date().isoformat() for day in cron.upcoming(datetime(2026, 5, 1, tzinfo=UTC), 2)] == [
        "2029-04-01",
        "2029-04-29",
    ]
    only = Cron.parse("0 0 30 4 */7", "UTC", now=datetime(2026, 5, 1, tzinfo=UTC))
    assert only.upcoming(datetime(2026, 5, 1, tzinfo=UTC), 1) == [datetime(2028, 4, 30, tzinfo=UTC)]


def test_the_constructor_checks_nothing_and_the_methods_raise_instead() -> None:
    with pytest.raises(CronError, match=r"^minute: 61 is not between 0 and 59$"):
        Cron("61 * * * *", "UTC").next_after(NOW)
    with pytest.raises(CronError, match=r"^'Mars/Base' is not an IANA timezone"):
        Cron("0 * * * *", "Mars/Base").next_after(NOW)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "Every minute"),
        ("* * * * * *", "Every second"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("30 2 * * *", "At 02:30"),
        ("30 0 2 * * *", "At 02:00:30"),
        ("0 9 * * mon-fri", "At 09:00, Monday through Friday"),
        ("@hourly", "Every hour"),
        ("@yearly", "At 00:00, on day 1 of the month, only in January"),
        ("0 0 L * *", "At 00:00, on the last day of the month"),
        ("0 0 15,L * *", "At 00:00, on day 15 of the month or on the last day of the month"),
        ("0 0 * * L5", "At 00:00, on the last Friday of the month"),
        ("0 0 * * friL", "At 00:00, on the last Friday of the month"),
        ("0 0 * * mon#1", "At 00:00, on the first Monday of the month"),
        ("0 0 * * 1,5#2", "At 00:00, on Monday or on the second Friday of the month"),
        ("0 0 13 * 5", "At 00:00, on day 13 of the month or on Friday"),
        ("0 0 */2 * 5", "At 00:00, on odd days of the month, only if a Friday"),
        ("1,*/20 3 * * *", "At 0, 1, 20, and 40 minutes past the hour, at 03:00"),
        ("0 3 * * 0,*/2", "At 03:00, only on Sunday, Tuesday, Thursday, and Saturday"),
        ("*,5 3 * * *", "Every minute, between 03:00 and 03:59"),
        ("0 22-2 * * *", "At 0 minutes past the hour, between 22:00 and 02:59"),
    ],
)
def test_in_words(expression: str, words: str) -> None:
    assert Cron.parse(expression, "UTC", now=NOW).describe() == words
