"""A time zone that does not exist is shown as it was written, with the nearest ones that do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cron import CronZoneError, load_zone, zone_names
from app.domain.cron.zone_hints import _ALL_YEAR, _OTHER_NAMES, MAX_HINTS, near_names
from tests.cpu_cost import adjusted, cpu_seconds


def near(name: str) -> list[str]:
    return near_names(name, zone_names())


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("北京时间", "'Asia/Shanghai'"),
        ("Asia/Beijing", "'Asia/Shanghai'"),
        ("UTC+8", "'Etc/GMT-8' or 'Asia/Shanghai'"),
        ("CST", "'America/Chicago' or 'Asia/Shanghai'"),
        ("Europe/München", "'Europe/Berlin'"),
    ],
)
def test_the_message_shows_the_name_as_written_and_what_may_be_meant(name: str, hints: str) -> None:
    with pytest.raises(CronZoneError) as refused:
        load_zone(name)
    note = " (names in Etc have the opposite sign)" if "Etc" in hints else ""
    assert str(refused.value) == f"{name!r} is not an IANA timezone; did you mean {hints}?{note}"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        # offsets, however they are written
        ("UTC+08:00", "Etc/GMT-8"),
        ("GMT+8", "Etc/GMT-8"),
        ("utc +8", "Etc/GMT-8"),
        ("+0800", "Etc/GMT-8"),
        ("+08:00", "Etc/GMT-8"),
        ("UTC＋８", "Etc/GMT-8"),
        ("UTC−5", "Etc/GMT+5"),
        ("UTC-05:00", "Etc/GMT+5"),
        ("+05:30", "Asia/Kolkata"),
        ("UTC+5:45", "Asia/Kathmandu"),
        ("UTC+0", "UTC"),
        ("-00:00", "UTC"),
        ("Z", "UTC"),
        # places
        ("new york", "America/New_York"),
        ("US/New_York", "America/New_York"),
        ("Berlin", "Europe/Berlin"),
        ("América/São Paulo", "America/Sao_Paulo"),
        ("Asia/Shenzhen", "Asia/Shanghai"),
        ("上海", "Asia/Shanghai"),
        ("東京", "Asia/Tokyo"),
        ("서울", "Asia/Seoul"),
        ("Germany", "Europe/Berlin"),
        ("China", "Asia/Shanghai"),
        ("USA", "America/Chicago"),
        # what a clock or Windows calls it
        ("PDT", "America/Los_Angeles"),
        ("CEST", "Europe/Berlin"),
        ("JST", "Asia/Tokyo"),
        ("China Standard Time", "Asia/Shanghai"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        # case, space, spelling
        ("asia/shanghai", "Asia/Shanghai"),
        (" Asia/Shanghai ", "Asia/Shanghai"),
        ("Asia-Shanghai", "Asia/Shanghai"),
        ("Asia/Shangai", "Asia/Shanghai"),
        ("Europe/Belrin", "Europe/Berlin"),
        ("America/Nwe_York", "America/New_York"),
    ],
)
def test_the_nearest_is_the_one_that_was_meant(name: str, first: str) -> None:
    assert near(name)[0] == first


@pytest.mark.parametrize("name", ["", "?", "Mars/Base", "null", "UTC+15", "UTC+99:59", "GMT-3:30", "/etc/localtime"])
def test_nothing_near_is_no_hint(name: str) -> None:
    assert near(name) == []


def test_every_zone_in_the_tables_exists_and_has_its_offset_all_year_round() -> None:
    assert _OTHER_NAMES.keys() | set(_ALL_YEAR.values()) <= zone_names()
    for minutes, zone in _ALL_YEAR.items():
        for month in range(1, 13):
            moment = datetime(2027, month, 1, tzinfo=UTC)
            assert moment.astimezone(load_zone(zone)).utcoffset() == timedelta(minutes=minutes), zone


@pytest.mark.parametrize("hours", range(-12, 15))
def test_a_whole_offset_leads_to_a_zone_of_that_offset(hours: int) -> None:
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    for name in (f"UTC{hours:+}", f"{hours:+03}:00", f"gmt{hours:+03}00"):
        zones = near(name)
        assert zones
        assert {moment.astimezone(load_zone(zone)).utcoffset() for zone in zones} == {timedelta(hours=hours)}


@given(st.text(max_size=64))
def test_any_name_is_a_zone_or_refused_with_real_ones(name: str) -> None:
    zones = near(name)
    assert len(zones) <= MAX_HINTS
    assert set(zones) <= zone_names()
    if name not in zone_names():
        with pytest.raises(CronZoneError) as refused:
            load_zone(name)
        assert all(repr(zone) in str(refused.value) for zone in zones)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "name", ["x" * 9_999, "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 9_999, "America/" * 99]
)
def test_no_name_costs_more_than_a_moment(name: str) -> None:
    near("")  # reads the tables, once in a process

    def load() -> None:
        with pytest.raises(CronZoneError):
            load_zone(name)

    assert adjusted(cpu_seconds(load), 0.25) < 0.25
