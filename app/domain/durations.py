"""Durations as people write them on a command line: `90d`, `24h`, `30m`, `45s`, `2w`."""

from __future__ import annotations

import re

MAX_SECONDS = 315_360_000  # ten years

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)


def parse_duration(text: str) -> int:
    """Seconds, up to ten years. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a number with a unit: s, m, h, d or w, as in 90d")
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds > MAX_SECONDS:
        raise ValueError("must be at most ten years (3650d)")
    return seconds
