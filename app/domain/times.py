"""Milliseconds since 1970 (inside), RFC 3339 in UTC (outside)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The offset's colon may be missing: many programs write it so, and nothing else can be meant.
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:?\d{2})", re.ASCII)


def to_rfc3339(ms: int) -> str:
    """`2026-11-23T08:30:00.000Z`."""
    return to_datetime(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_datetime(ms: int) -> datetime:
    """Aware, in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def parse_rfc3339(text: str) -> int:
    """Milliseconds since 1970. Raises ValueError where `text` is no RFC 3339 time with an offset.

    The offset may lack its colon (`+0800`), as strftime's %z, Java and PostgreSQL write it.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with an offset, like 2026-11-23T08:30:00Z")
    try:
        return to_ms(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        raise ValueError("is not a valid date and time") from None
