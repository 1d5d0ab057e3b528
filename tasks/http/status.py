"""Whether an answer's status is one that was expected. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def is_expected(status_code: int, expected: Sequence[int | str]) -> bool:
    """True if one of `expected` covers the code: `404`, `"404"`, `"2xx"` or `"200-204"` (both ends in).

    Raises ValueError for a range that is none of these.
    """
    return any(_covers(item, status_code) for item in expected)


def _covers(item: int | str, status_code: int) -> bool:
    low, high = _bounds(item)
    return low <= status_code <= high


def _bounds(item: int | str) -> tuple[int, int]:
    if isinstance(item, int):
        return item, item
    text = item.strip().lower()
    if len(text) == 3 and text.endswith("xx") and text[0] in "12345":
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    low, dash, high = text.partition("-")
    if not (_is_number(low) and (_is_number(high) or not dash)):
        raise ValueError(f"not a status code or a range of them: {item!r}")
    return int(low), int(high if dash else low)


def _is_number(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isdigit()
