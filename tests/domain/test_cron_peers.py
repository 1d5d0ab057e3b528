"""The same question put to two other implementations: cronsim, which follows Debian's cron, and croniter.

croniter expands the fields for us, so of its answers only the search for the next firing is independent; cronsim's
are in both. Where one of them answers otherwise, on purpose or by mistake, the reason stands here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given

from app.domain.cron import Cron
from app.domain.cron.zone import load_zone
from tests.domain.cron_samples import SampleCron, crons
from tests.domain.test_cron_properties import moments, places

# cronsim knows no wrapping ranges, writes the last Friday "5L", and does not apply Debian's rule to six fields.
debian_crons = crons(wrapping=False, with_seconds=False, last_first=False)


# In real time cronsim goes by whole hours, and passes over the half hour that Lord Howe repeats (02:00 to 02:29). It
# begins each day at midnight, even where a change skips midnight or the whole day: a firing that no clock shows.
CRONSIM_ERRS_IN_REAL_TIME = {
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Gaza",
}


def cronsim_firings(sample: SampleCron, place: tuple[str, datetime], count: int) -> list[datetime]:
    zone, moment = place
    upcoming = CronSim(sample.expression, moment.astimezone(load_zone(zone)))
    found = []
    for firing in upcoming:
        found.append(firing.astimezone(UTC))
        if len(found) == count:
            break
    return found


@given(debian_crons, places)
def test_cronsim_agrees(sample: SampleCron, place: tuple[str, datetime]) -> None:
    zone, moment = place
    # Asked while a time is shown again, cronsim names the first time, which is over by then; in real time it does so
    # in the Chatham Islands, where the time that is shown again begins and ends at a quarter to the hour.
    names_first_time = not sample.real_time or zone == "Pacific/Chatham"
    assume(not names_first_time or moment.astimezone(load_zone(zone)).fold == 0)
    assume(not (sample.real_time and zone in CRONSIM_ERRS_IN_REAL_TIME))
    ours = Cron(sample.expression, zone).upcoming(moment, 3)
    assume(ours)
    assert cronsim_firings(sample, place, len(ours)) == ours


def croniter_firings(expression: str, start: datetime, count: int) -> list[datetime]:
    peer = croniter(expression, start, ret_type=datetime, second_at_beginning=True, implement_cron_bug=True)
    return [peer.get_next().astimezone(UTC) for _ in range(count)]


@given(crons(wrapping=False), moments)
def test_croniter_agrees_where_no_clock_changes(sample: SampleCron, moment: datetime) -> None:
    # It reads `#` and `L5` beside a day of the month as AND, not as cron's OR, and refuses them beside plain days.
    assume(not sample.weekday.nth or (sample.day.text == "*" and not sample.weekday.numbers))
    # A star later in a list opens the field for it; in Debian's cron only the first character says AND.
    assume(not any("*" in field.text[1:] for field in (sample.day, sample.weekday)))
    ours = Cron(sample.expression, "UTC").upcoming(moment, 3)
    assume(ours)
    assert croniter_firings(sample.expression, moment, len(ours)) == ours


@pytest.mark.parametrize(
    ("expression", "ours", "croniters"),
    [
        # A range from a number to itself is that number; croniter takes it for the whole field.
        ("5-5 0 * * *", "5", "0 1 2 3 4"),
        # A wrapping range keeps its step across the end: 50, 57, (64 =) 4; croniter loses count.
        ("50-10/7 0 * * *", "4 50 57", "5 50 57"),
    ],
)
def test_ranges_that_croniter_reads_otherwise(expression: str, ours: str, croniters: str) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC) - timedelta(seconds=1)
    seen = [firing.minute for firing in Cron(expression, "UTC").upcoming(midnight, len(ours.split()))]
    assert seen == [int(minute) for minute in ours.split()]
    peers = [firing.minute for firing in croniter_firings(expression, midnight, len(croniters.split()))]
    assert peers == [int(minute) for minute in croniters.split()]


@pytest.mark.parametrize(
    ("expression", "zone", "asked", "ours", "croniters"),
    [
        # It comes twice, and runs twice: after 02:30 at UTC+2 once more at UTC+1.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-26T01:30Z", "2026-10-25T01:30Z"),
        ("30 2 * * *", "Africa/Casablanca", "2026-02-15T01:30Z", "2026-02-16T02:30Z", "2026-02-15T02:30Z"),
        ("0 3 * * *", "Pacific/Apia", "2021-04-03T13:00Z", "2021-04-04T14:00Z", "2021-04-03T14:00Z"),
        # In real time a skipped time is not shown, so there is nothing to run at the end of the gap.
        ("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T02:00Z", "2026-03-29T01:00Z"),
        ("*/30 2 * * *", "America/New_York", "2026-03-08T05:00Z", "2026-03-09T06:00Z", "2026-03-08T07:00Z"),
        ("0 */2 * * *", "Australia/Lord_Howe", "2026-10-03T15:00Z", "2026-10-03T17:00Z", "2026-10-03T15:30Z"),
    ],
)
def test_clock_changes_that_croniter_reads_otherwise(
    expression: str, zone: str, asked: str, ours: str, croniters: str
) -> None:
    start = datetime.fromisoformat(asked)
    assert Cron(expression, zone).next_after(start) == datetime.fromisoformat(ours)
    assert croniter_firings(expression, start.astimezone(load_zone(zone)), 1) == [datetime.fromisoformat(croniters)]
