"""Parses patterns of HTTP status codes: 404, "404", "2xx", "200-204". HTTP allows any three digits."""

from __future__ import annotations

import re
from collections.abc import Sequence

StatusPattern = int | str

_CLASS = re.compile(r"[1-9]xx", re.IGNORECASE | re.ASCII)
_RANGE = re.compile(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?", re.ASCII)


def bounds(pattern: StatusPattern) -> tuple[int, int]:
    """The lowest and the highest code that `pattern` covers. Raises ValueError if it is invalid."""
    text = str(pattern)
    if _CLASS.fullmatch(text):
        low = int(text[0]) * 100
        return low, low + 99
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:20]!r} is neither a status code nor a range like 2xx or 200-204")
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise ValueError(f"{text!r} is an empty range")
    return low, high


def matches(code: int, patterns: Sequence[StatusPattern]) -> bool:
    """Whether any of `patterns` covers `code`."""
    return any(low <= code <= high for low, high in map(bounds, patterns))
