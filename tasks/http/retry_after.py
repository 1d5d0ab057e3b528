"""How long an answer asks its caller to wait."""

from __future__ import annotations

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_CHARACTERS = 64
MAX_RETRY_AFTER_SECONDS = 315_360_000.0  # ten years; whoever waits has a limit of its own, far below

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
"""Fractions are not in RFC 9110, but Shopify sends `2.0`."""


def retry_after_seconds(value: str | None, now_ms: int) -> float | None:
    """Return the seconds that `Retry-After` (RFC 9110: seconds or a date) asks for, at most ten years.

    A fraction of a second counts as a whole one. Returns None without a valid value.
    """
    text = (value or "").strip()
    if len(text) > MAX_RETRY_AFTER_CHARACTERS:
        return None
    if _SECONDS.fullmatch(text):
        return min(float(math.ceil(float(text))), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)
