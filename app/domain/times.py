"""Converts between milliseconds since 1970 (internal) and RFC 3339 in UTC (external)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The first and the last millisecond of a datetime: the years 1 to 9999.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
#: The colon of the offset is optional: many programs omit it, and the meaning is unambiguous.
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:?[0-5]\d)", re.ASCII)


@lru_cache(maxsize=256)  # a new task has one time in four places, and a batch has it in a thousand tasks
def to_rfc3339(ms: int) -> str:
    """The time as text, like `2026-11-23T08:30:00.000Z`."""
    return to_datetime(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_datetime(ms: int) -> datetime:
    """The time as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def parse_rfc3339(text: str) -> int:
    """Milliseconds since 1970. Raises ValueError if `text` is not an RFC 3339 time with an offset.

    The colon of the offset is optional (`+0800`): strftime's %z, Java and PostgreSQL omit it. A time that is in the
    year 0 or 10000 of UTC means always or never (.NET's MinValue and MaxValue), and is read as the nearest that is not.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with an offset, like 2026-11-23T08:30:00Z")
    try:
        ms = to_ms(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        raise ValueError("is not a valid date and time") from None
    return min(max(ms, _FIRST_MS), _LAST_MS)
