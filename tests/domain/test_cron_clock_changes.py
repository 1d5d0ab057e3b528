"""What every kind of expression does at a clock change, zone by zone, written out.

A firing is shown as the wall clock shows it, with its offset: "29T03:00+02" is the 29th, 03:00, UTC+2.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.cron import Cron
from app.domain.cron.zone import load_zone

# The instant of the change, and the hours before and after it in which each expression is watched.
CHANGES = {
    "Berlin, 02:00 → 03:00": ("Europe/Berlin", "2026-03-29T01:00Z"),
    "Berlin, 03:00 → 02:00": ("Europe/Berlin", "2026-10-25T01:00Z"),
    "New York, 02:00 → 03:00": ("America/New_York", "2026-03-08T07:00Z"),
    "New York, 02:00 → 01:00": ("America/New_York", "2026-11-01T06:00Z"),
    "Lord Howe, 02:00 → 02:30": ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    "Lord Howe, 02:00 → 01:30": ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    "Apia, 30 December skipped": ("Pacific/Apia", "2011-12-30T10:00Z"),
    "Apia, 04:00 → 03:00": ("Pacific/Apia", "2021-04-03T14:00Z"),
    "Casablanca, 03:00 → 02:00 (Ramadan)": ("Africa/Casablanca", "2026-02-15T02:00Z"),
    "Casablanca, 02:00 → 03:00 (Ramadan)": ("Africa/Casablanca", "2026-03-22T02:00Z"),
}
HOURS = {"30 2 * * *": 26, "0 3 * * *": 26, "0 0 * * *": 26, "*/15 * * * *": 1, "@hourly": 2.5}

TABLE = {
    "Berlin, 02:00 → 03:00": {
        "30 2 * * *": "28T02:30+01 29T03:00+02 30T02:30+02",
        "0 3 * * *": "28T03:00+01 29T03:00+02 30T03:00+02",
        "0 0 * * *": "29T00:00+01 30T00:00+02",
        "*/15 * * * *": "29T01:15+01 29T01:30+01 29T01:45+01 "
        "29T03:00+02 29T03:15+02 29T03:30+02 29T03:45+02 29T04:00+02",
        "@hourly": "29T00:00+01 29T01:00+01 29T03:00+02 29T04:00+02 29T05:00+02",
    },
    "Berlin, 03:00 → 02:00": {
        "30 2 * * *": "24T02:30+02 25T02:30+02 26T02:30+01",
        "0 3 * * *": "24T03:00+02 25T03:00+01 26T03:00+01",
        "0 0 * * *": "25T00:00+02 26T00:00+01",
        "*/15 * * * *": "25T02:15+02 25T02:30+02 25T02:45+02 "
        "25T02:00+01 25T02:15+01 25T02:30+01 25T02:45+01 25T03:00+01",
        "@hourly": "25T01:00+02 25T02:00+02 25T02:00+01 25T03:00+01 25T04:00+01",
    },
    "New York, 02:00 → 03:00": {
        "30 2 * * *": "07T02:30-05 08T03:00-04 09T02:30-04",
        "0 3 * * *": "07T03:00-05 08T03:00-04 09T03:00-04",
        "0 0 * * *": "08T00:00-05 09T00:00-04",
        "*/15 * * * *": "08T01:15-05 08T01:30-05 08T01:45-05 "
        "08T03:00-04 08T03:15-04 08T03:30-04 08T03:45-04 08T04:00-04",
        "@hourly": "08T00:00-05 08T01:00-05 08T03:00-04 08T04:00-04 08T05:00-04",
    },
    "New York, 02:00 → 01:00": {  # the hour that comes twice is the one from 01:00 on
        "30 2 * * *": "31T02:30-04 01T02:30-05 02T02:30-05",
        "0 3 * * *": "31T03:00-04 01T03:00-05 02T03:00-05",
        "0 0 * * *": "01T00:00-04 02T00:00-05",
        "*/15 * * * *": "01T01:15-04 01T01:30-04 01T01:45-04 "
        "01T01:00-05 01T01:15-05 01T01:30-05 01T01:45-05 01T02:00-05",
        "@hourly": "01T00:00-04 01T01:00-04 01T01:00-05 01T02:00-05 01T03:00-05",
    },
    "Lord Howe, 02:00 → 02:30": {
        "30 2 * * *": "03T02:30+10:30 04T02:30+11 05T02:30+11",  # the first minute that exists again
        "0 3 * * *": "03T03:00+10:30 04T03:00+11 05T03:00+11",
        "0 0 * * *": "04T00:00+10:30 05T00:00+11",
        "*/15 * * * *": "04T01:15+10:30 04T01:30+10:30 04T01:45+10:30 "
        "04T02:30+11 04T02:45+11 04T03:00+11 04T03:15+11 04T03:30+11",
        # Minute 0 of the wall clock: 02:00 is skipped, 03:00 comes 90 minutes after 01:00.
        "@hourly": "04T00:00+10:30 04T01:00+10:30 04T03:00+11 04T04:00+11 04T05:00+11",
    },
    "Lord Howe, 02:00 → 01:30": {
        "30 2 * * *": "04T02:30+11 05T02:30+10:30 06T02:30+10:30",
        "0 3 * * *": "04T03:00+11 05T03:00+10:30 06T03:00+10:30",
        "0 0 * * *": "05T00:00+11 06T00:00+10:30",
        "*/15 * * * *": "05T01:15+11 05T01:30+11 05T01:45+11 "
        "05T01:30+10:30 05T01:45+10:30 05T02:00+10:30 05T02:15+10:30 05T02:30+10:30",
        "@hourly": "05T00:00+11 05T01:00+11 05T02:00+10:30 05T03:00+10:30 05T04:00+10:30",
    },
    "Apia, 30 December skipped": {
        # What the 30th would have seen runs as the 31st begins, and then the 31st has its own.
        "30 2 * * *": "29T02:30-10 31T00:00+14 31T02:30+14",
        "0 3 * * *": "29T03:00-10 31T00:00+14 31T03:00+14",
        "0 0 * * *": "29T00:00-10 31T00:00+14 01T00:00+14",  # both midnights are one instant
        "*/15 * * * *": "29T23:15-10 29T23:30-10 29T23:45-10 "
        "31T00:00+14 31T00:15+14 31T00:30+14 31T00:45+14 31T01:00+14",
        "@hourly": "29T22:00-10 29T23:00-10 31T00:00+14 31T01:00+14 31T02:00+14",
    },
    "Apia, 04:00 → 03:00": {
        "30 2 * * *": "03T02:30+14 04T02:30+14 05T02:30+13",
        "0 3 * * *": "03T03:00+14 04T03:00+14 05T03:00+13",  # 03:00 comes twice: it runs the first time
        "0 0 * * *": "04T00:00+14 05T00:00+13",
        "*/15 * * * *": "04T03:15+14 04T03:30+14 04T03:45+14 "
        "04T03:00+13 04T03:15+13 04T03:30+13 04T03:45+13 04T04:00+13",
        "@hourly": "04T02:00+14 04T03:00+14 04T03:00+13 04T04:00+13 04T05:00+13",
    },
    "Casablanca, 03:00 → 02:00 (Ramadan)": {
        "30 2 * * *": "14T02:30+01 15T02:30+01 16T02:30+00",
        "0 3 * * *": "14T03:00+01 15T03:00+00 16T03:00+00",
        "0 0 * * *": "15T00:00+01 16T00:00+00",
        "*/15 * * * *": "15T02:15+01 15T02:30+01 15T02:45+01 "
        "15T02:00+00 15T02:15+00 15T02:30+00 15T02:45+00 15T03:00+00",
        "@hourly": "15T01:00+01 15T02:00+01 15T02:00+00 15T03:00+00 15T04:00+00",
    },
    "Casablanca, 02:00 → 03:00 (Ramadan)": {
        "30 2 * * *": "21T02:30+00 22T03:00+01 23T02:30+01",
        "0 3 * * *": "21T03:00+00 22T03:00+01 23T03:00+01",
        "0 0 * * *": "22T00:00+00 23T00:00+01",
        "*/15 * * * *": "22T01:15+00 22T01:30+00 22T01:45+00 "
        "22T03:00+01 22T03:15+01 22T03:30+01 22T03:45+01 22T04:00+01",
        "@hourly": "22T00:00+00 22T01:00+00 22T03:00+01 22T04:00+01 22T05:00+01",
    },
}
ROWS = [(change, expression) for change, row in TABLE.items() for expression in row]


def shown(moment: datetime, zone: str) -> str:
    text = moment.astimezone(load_zone(zone)).strftime("%dT%H:%M%z")
    return text[:-2] if text.endswith("00") else f"{text[:-2]}:{text[-2:]}"


def firings(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    cron = Cron(expression, zone)
    found: list[datetime] = []
    following = cron.next_after(after)
    while following is not None and following <= until:
        found.append(following)
        following = cron.next_after(following)
    return found


@pytest.mark.parametrize(("change", "expression"), ROWS)
def test_clock_change(change: str, expression: str) -> None:
    zone, instant = CHANGES[change]
    around = timedelta(hours=HOURS[expression])
    moment = datetime.fromisoformat(instant)
    seen = firings(expression, zone, moment - around, moment + around)
    assert [shown(firing, zone) for firing in seen] == TABLE[change][expression].split()


def test_every_change_meets_every_expression() -> None:
    assert TABLE.keys() == CHANGES.keys()
    assert all(row.keys() == HOURS.keys() for row in TABLE.values())


@pytest.mark.parametrize(("zone", "instant"), CHANGES.values())
def test_the_table_is_about_real_changes(zone: str, instant: str) -> None:
    moment = datetime.fromisoformat(instant)
    before, after = (at.astimezone(load_zone(zone)).utcoffset() for at in (moment - timedelta(seconds=1), moment))
    assert before != after


BERLIN_GAP = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:00 → 03:00
BERLIN_FOLD = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 03:00 → 02:00


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0,30 2 * * *", "29T03:00+02"),  # two skipped times at one instant are one firing
        ("0 2,3 * * *", "29T03:00+02"),  # a skipped time and the first time after the gap are one firing
        ("59 1 * * *", "29T01:59+01"),
        ("*/20 2 * * *", ""),  # a star in the minutes: real time, and the wall clock never shows 02:xx
        ("0 */2 * * *", "29T04:00+02"),  # a star in the hours: 02:00 is not shown either
        ("0 0-4/2 * * *", "29T03:00+02 29T04:00+02"),  # the same without a star: nothing is lost
        ("15 30 2 * * *", "29T03:00+02"),  # with seconds: still the first instant after the gap
        ("* 30 2 * * *", "29T03:00+02"),  # 60 skipped seconds are one firing
    ],
)
def test_a_gap(expression: str, expected: str) -> None:
    seen = firings(expression, "Europe/Berlin", BERLIN_GAP - timedelta(minutes=61), BERLIN_GAP + timedelta(hours=2))
    assert [shown(firing, "Europe/Berlin") for firing in seen] == expected.split()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0,30 2 * * *", "25T02:00+02 25T02:30+02"),
        ("30 2,3 * * *", "25T02:30+02 25T03:30+01"),
        ("*/30 2 * * *", "25T02:00+02 25T02:30+02 25T02:00+01 25T02:30+01"),
        ("30 * * * *", "25T01:30+02 25T02:30+02 25T02:30+01 25T03:30+01"),
        ("30 1-3 * * *", "25T01:30+02 25T02:30+02 25T03:30+01"),
        ("30 0-23 * * *", "25T01:30+02 25T02:30+02 25T03:30+01"),  # all hours, but without a star
    ],
)
def test_a_time_that_comes_twice(expression: str, expected: str) -> None:
    after, until = BERLIN_FOLD - timedelta(hours=2), BERLIN_FOLD + timedelta(hours=2)
    seen = [shown(firing, "Europe/Berlin") for firing in firings(expression, "Europe/Berlin", after, until)]
    assert seen == expected.split()


def test_every_second_goes_on_through_both_changes() -> None:
    for change in (BERLIN_GAP, BERLIN_FOLD):
        seen = firings("* * * * * *", "Europe/Berlin", change - timedelta(seconds=5), change + timedelta(seconds=5))
        assert seen == [change + timedelta(seconds=second) for second in range(-4, 6)]


def test_asked_between_the_two_the_second_time_is_over() -> None:
    """02:30 was at 00:30Z. At 01:10Z the clock shows 02:10 again, and the next firing is tomorrow's."""
    asked = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert Cron("30 2 * * *", "Europe/Berlin").next_after(asked) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_asked_within_the_gap_s_last_second_and_at_its_end() -> None:
    cron = Cron("30 2 * * *", "Europe/Berlin")
    assert cron.next_after(BERLIN_GAP - timedelta(milliseconds=1)) == BERLIN_GAP
    assert cron.next_after(BERLIN_GAP) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_monthly_run_on_a_day_that_a_zone_left_out_is_not_lost() -> None:
    seen = Cron("0 12 30 * *", "Pacific/Apia").upcoming(datetime(2011, 12, 1, tzinfo=UTC), 2)
    assert [shown(firing, "Pacific/Apia") for firing in seen] == ["31T00:00+14", "30T12:00+14"]


def test_a_midnight_that_is_skipped() -> None:
    """Beirut goes from 00:00 to 01:00."""
    seen = Cron("0 0 * * *", "Asia/Beirut").upcoming(datetime(2026, 3, 28, 0, 0, tzinfo=UTC), 2)
    assert [shown(firing, "Asia/Beirut") for firing in seen] == ["29T01:00+03", "30T00:00+03"]


def test_a_change_near_the_turn_of_the_year_is_seen_from_both_years() -> None:
    cron = Cron("30 2 * * *", "Pacific/Apia")
    from_2011 = cron.upcoming(datetime(2011, 12, 28, tzinfo=UTC), 8)
    from_2012 = cron.upcoming(datetime(2012, 1, 1, 12, tzinfo=UTC), 3)
    assert from_2012 == from_2011[-3:]
