"""Internal milliseconds, external RFC 3339."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.times import parse_rfc3339, to_datetime, to_ms, to_rfc3339

MORNING_MS = 1_795_422_600_000
TIMES_MS = st.integers(-62_135_596_800_000, 253_402_300_799_999)  # the years 1 to 9999


@given(TIMES_MS)
def test_a_time_survives_a_round_trip(ms: int) -> None:
    assert to_ms(to_datetime(ms)) == ms
    assert parse_rfc3339(to_rfc3339(ms)) == ms


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (MORNING_MS, "2026-11-23T08:30:00.000Z"),
        (MORNING_MS + 7, "2026-11-23T08:30:00.007Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-30_610_224_000_001, "0999-12-31T23:59:59.999Z"),  # always four digits
    ],
)
def test_the_text_is_utc_with_milliseconds(ms: int, text: str) -> None:
    assert to_rfc3339(ms) == text


def test_a_datetime_is_aware_and_in_utc() -> None:
    assert to_datetime(MORNING_MS) == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    assert to_datetime(MORNING_MS).utcoffset() == timedelta(0)
    assert to_ms(datetime(2026, 11, 23, 9, 30, tzinfo=timezone(timedelta(hours=1)))) == MORNING_MS


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-23T08:30:00Z", MORNING_MS),
        ("2026-11-23t08:30:00z", MORNING_MS),
        ("2026-11-23 08:30:00Z", MORNING_MS),
        ("2026-11-23T08:30:00+00:00", MORNING_MS),
        ("2026-11-23T08:30:00-00:00", MORNING_MS),
        ("2026-11-23T14:00:00+05:30", MORNING_MS),
        ("2026-11-22T22:30:00-10:00", MORNING_MS),
        ("2026-11-23T16:30:00+0800", MORNING_MS),
        ("2026-11-23T14:00:00+0530", MORNING_MS),
        ("2026-11-22T22:30:00.123456-1000", MORNING_MS + 123),
        ("2026-11-23 08:30:00+0000", MORNING_MS),
        ("2026-11-23T08:30:00.5Z", MORNING_MS + 500),
        ("2026-11-23T08:30:00.123456789Z", MORNING_MS + 123),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59-05:00", 253_402_300_799_999),  # beyond the range of a datetime in UTC
        ("0001-01-01T00:00:00+08:00", -62_135_596_800_000),
    ],
)
def test_rfc_3339_is_read_even_without_the_offsets_colon(text: str, ms: int) -> None:
    assert parse_rfc3339(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T08:30Z",
        "2026-11-23T08:30:00",
        "2026-11-23T08:30:00+01",
        "2026-11-23T08:30:00+1",
        "2026-11-23T08:30:00+100",
        "2026-11-23T08:30:00+01000",
        "2026-11-23T08:30:00+01:0",
        "2026-11-23T08:30:00+01:00:00",
        "2026-11-23T08:30:00 +0100",
        "20261123T083000Z",
        "2026-11-23T08:30:00Z ",
        "2026-11-23T08:30:00.Z",
        "2026-11-23T08:30:00.1234567890Z",
        "٢٠٢٦-11-23T08:30:00Z",  # digits, but not ASCII
        "2026-W48-1T08:30:00Z",
        "2026-11-23T08:30:00+05:60",  # an hour has 60 minutes, which datetime does not look at
        "2026-11-23T08:30:00-0099",
    ],
)
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must be an RFC 3339 time with an offset, like 2026-11-23T08:30:00Z"):
        parse_rfc3339(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T08:30:00Z",
        "2026-13-01T08:30:00Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T08:60:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-23T08:30:00+24:00",
        "2026-11-23T08:30:00+2400",
    ],
)
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid date and time"):
        parse_rfc3339(text)


@given(TIMES_MS, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_an_offset_means_the_same_without_its_colon(ms: int, offset_minutes: int) -> None:
    try:
        moment = to_datetime(ms).astimezone(timezone(timedelta(minutes=offset_minutes)))
    except OverflowError:  # before the year 1 or after 9999 there
        return
    with_colon = moment.isoformat(timespec="milliseconds")
    assert parse_rfc3339(with_colon) == ms
    assert parse_rfc3339(with_colon[:-3] + with_colon[-2:]) == ms


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_rfc3339(text), int)
