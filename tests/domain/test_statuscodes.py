"""Patterns of HTTP status codes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.statuscodes import bounds, matches


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [
        (404, 404, 404),
        ("404", 404, 404),
        ("2xx", 200, 299),
        ("5XX", 500, 599),
        ("200-204", 200, 204),
        ("200-200", 200, 200),
        ("100-599", 100, 599),
        ("9xx", 900, 999),
        (999, 999, 999),
        ("600-999", 600, 999),
    ],
)
def test_a_pattern_covers_a_range(pattern: int | str, low: int, high: int) -> None:
    assert bounds(pattern) == (low, high)


@pytest.mark.parametrize(
    "pattern",
    ["", "x", "2x", "20x", "10xx", "0xx", 99, 1000, -200, "2xx-3xx", "200-", "-204", " 200", "200\n", "٢xx"],
)
def test_anything_else_is_refused_and_quoted(pattern: int | str) -> None:
    message = f"{str(pattern)!r} is neither a status code nor a range like 2xx or 200-204"
    with pytest.raises(ValueError, match=re.escape(message)):
        bounds(pattern)


def test_a_reversed_range_is_refused() -> None:
    with pytest.raises(ValueError, match="'300-200' is an empty range"):
        bounds("300-200")


def test_a_long_text_is_not_quoted_in_full() -> None:
    with pytest.raises(ValueError, match=r"^.{0,90}$"):
        bounds("9" * 10_000)


@given(st.integers(100, 599), st.integers(100, 599), st.integers(100, 599))
def test_a_code_matches_if_it_is_within_the_range(code: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert matches(code, [f"{low}-{high}"]) == (low <= code <= high)
    assert matches(code, [f"{code // 100}xx", 100])
    assert matches(code, [low]) == (code == low)


def test_no_pattern_matches_nothing() -> None:
    assert not matches(200, [])
