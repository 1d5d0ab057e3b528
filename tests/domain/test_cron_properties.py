"""The firings compared with brute force over every minute of a window, by the rule in cron.py's docstring."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.cron import Cron, CronError
from app.domain.cron.fields import LAST, parse_fields
from app.domain.cron.zone import load_zone
from tests.domain.cron_samples import ZONES, SampleCron, crons
from tests.examples import scaled

MINUTE = timedelta(minutes=1)
WINDOW = timedelta(hours=30)
CHANGES = [
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("Pacific/Kiritimati", "1994-12-31T10:00Z"),  # a year without its last day
    ("Asia/Dhaka", "2009-12-31T17:00Z"),  # the last hour of a year, twice
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),  # back, at midnight
    ("America/Sao_Paulo", "2018-11-04T03:00Z"),  # forward, at midnight
    ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00Z"),
    ("America/New_York", "2026-03-08T07:00Z"),
    ("America/New_York", "2026-11-01T06:00Z"),
    ("Asia/Beirut", "2026-03-28T22:00Z"),  # forward, at midnight
    ("Asia/Beirut", "2026-10-24T21:00Z"),  # back, at midnight
    ("Europe/Berlin", "2026-03-29T01:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00Z"),
    ("Europe/Dublin", "2026-03-29T01:00Z"),
    ("Europe/Dublin", "2026-10-25T01:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("Pacific/Chatham", "2026-04-04T14:00Z"),
]
moments = st.datetimes(datetime(1975, 1, 1), datetime(2060, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))
#: (zone, moment): anywhere, and a little before or within a change.
anywhere = st.tuples(st.sampled_from(ZONES), moments)
near_changes = st.tuples(st.sampled_from(CHANGES), st.integers(-36 * 3600, 3 * 3600)).map(
    lambda pair: (pair[0][0], datetime.fromisoformat(pair[0][1]) + timedelta(seconds=pair[1]))
)
places = st.one_of(anywhere, near_changes)
minute_crons = crons(with_seconds=False)


def real_time_firings(sample: SampleCron, zone: ZoneInfo, start: datetime, end: datetime) -> set[datetime]:
    """Every minute of elapsed time at which the wall clock shows a match."""
    minutes = (start + number * MINUTE for number in range((end - start) // MINUTE + 1))
    return {minute for minute in minutes if sample.matches(minute.astimezone(zone).replace(tzinfo=None))}


def wall_clock_firings(sample: SampleCron, zone: ZoneInfo, start: datetime, end: datetime) -> set[datetime]:
    """Every matching minute on a calendar that knows no zone, each at the first instant that shows it or more."""
    wall = (start - timedelta(hours=40)).astimezone(zone).replace(tzinfo=None, second=0)
    last = (end + timedelta(hours=15)).astimezone(zone).replace(tzinfo=None)
    found = set()
    ends_of_gaps: dict[datetime, datetime] = {}
    while wall <= last:
        if sample.matches(wall):
            found.add(first_instant(wall, zone, ends_of_gaps))
        wall += MINUTE
    return {instant for instant in found if start <= instant <= end}


def first_instant(wall: datetime, zone: ZoneInfo, ends_of_gaps: dict[datetime, datetime]) -> datetime:
    """`ends_of_gaps` remembers the answer for each minute of a gap, which may last for a day."""
    skipped = []
    while wall not in ends_of_gaps:
        instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            break
        skipped.append(wall)
        wall += MINUTE  # in a gap, which ends on a full minute
    else:
        instant = ends_of_gaps[wall]
    ends_of_gaps.update(dict.fromkeys(skipped, instant))
    return instant


def check_window(sample: SampleCron, zone: str, start: datetime) -> None:
    start = start.replace(second=0, microsecond=0)
    end = start + WINDOW
    rule = real_time_firings if sample.real_time else wall_clock_firings
    expected = rule(sample, load_zone(zone), start, end)
    cron = Cron(sample.expression, zone)
    seen = []
    following = cron.next_after(start - timedelta(milliseconds=1))
    while following is not None and following <= end:
        seen.append(following)
        following = cron.next_after(following)
    assert seen == sorted(expected)


def bits(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)


@given(crons())
def test_each_field_allows_the_numbers_that_were_written(sample: SampleCron) -> None:
    fields = parse_fields(sample.expression)
    assert (fields.seconds, fields.minutes) == (bits(sample.second.numbers), bits(sample.minute.numbers))
    assert (fields.hours, fields.days) == (bits(sample.hour.numbers), bits(sample.day.numbers))
    assert (fields.months, fields.weekdays) == (bits(sample.month.numbers), bits(sample.weekday.numbers))
    assert fields.nth_weekdays == {(day, nth or LAST) for day, nth in sample.weekday.nth}
    assert fields.last_day == sample.day.last_day
    assert fields.real_time == sample.real_time


@given(minute_crons, near_changes)
def test_around_a_clock_change_exactly_what_brute_force_finds(sample: SampleCron, place: tuple[str, datetime]) -> None:
    check_window(sample, *place)


@settings(max_examples=scaled(60))
@given(minute_crons, anywhere)
def test_at_any_time_exactly_what_brute_force_finds(sample: SampleCron, place: tuple[str, datetime]) -> None:
    check_window(sample, *place)


@given(crons(), places)
def test_the_next_firing_is_later_and_shows_a_match_or_ends_a_gap(
    sample: SampleCron, place: tuple[str, datetime]
) -> None:
    zone, moment = place
    following = Cron(sample.expression, zone).next_after(moment)
    if following is None:
        return
    assert following > moment
    assert following.microsecond == 0
    local = following.astimezone(load_zone(zone))
    just_before = (following - timedelta(seconds=1)).astimezone(load_zone(zone))
    ends_a_gap = local.replace(tzinfo=None) - just_before.replace(tzinfo=None) > timedelta(seconds=1)
    assert sample.matches(local.replace(tzinfo=None)) or (ends_a_gap and not sample.real_time)


@given(crons(), places, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_a_later_question_never_has_an_earlier_answer(
    sample: SampleCron, place: tuple[str, datetime], later: timedelta
) -> None:
    """Where the first answer is later than both questions, it is the answer to both."""
    zone, moment = place
    cron = Cron(sample.expression, zone)
    first, second = cron.next_after(moment), cron.next_after(moment + later)
    if first is None:
        assert second is None or second > moment + later
    elif first > moment + later:
        assert second == first
    else:
        assert second is None or second > first


@given(crons(), places, st.integers(0, 20))
def test_upcoming_is_the_next_of_the_next(sample: SampleCron, place: tuple[str, datetime], count: int) -> None:
    zone, moment = place
    cron = Cron(sample.expression, zone)
    expected: list[datetime] = []
    following = cron.next_after(moment)
    while following is not None and len(expected) < count:
        expected.append(following)
        following = cron.next_after(following)
    assert cron.upcoming(moment, count) == expected


@given(crons())
def test_every_valid_expression_has_words(sample: SampleCron) -> None:
    words = Cron(sample.expression, "UTC").describe()
    assert words[0].isupper()
    assert "None" not in words


@example("0 0 * * 1#1#1")
@example("@")
@example("@@hourly")
@given(st.text(alphabet="0123456789*,-/#@ LWHRlmonfeb?()", max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    with contextlib.suppress(CronError):
        assert Cron.parse(text, "Europe/Berlin", now=now).next_after(now) is not None
