"""Names that are compared without regard to case, and the patterns that callers write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.names import Match, NamePattern, folded, name_pattern


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Report", "rEPORT"),
        ("Straße", "STRASSE"),
        ("ÉTÉ", "e\u0301te\u0301"),  # composed and decomposed accents look the same
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),  # two forms of the small sigma
        ("库存", "库存"),
    ],
)
def test_names_that_read_alike_are_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@given(st.text())
def test_folding_twice_changes_nothing(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Report", NamePattern("report", Match.EXACT)),
        ("Report*", NamePattern("report", Match.PREFIX)),
        ("*Report", NamePattern("report", Match.SUFFIX)),
        ("*Report*", NamePattern("report", Match.PART)),
        ("a*b", NamePattern("a*b", Match.EXACT)),  # inside a name, a star is a star
        ("***", NamePattern("*", Match.PART)),
        ("", None),
        ("*", None),
        ("**", None),
    ],
)
def test_patterns_as_callers_write_them(text: str, pattern: NamePattern | None) -> None:
    assert name_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("report", "REPORT", "reports"),
        ("report*", "Reports", "the report"),
        ("*report", "the REPORT", "reports"),
        ("*ss*", "Straße 1", "s s"),
    ],
)
def test_what_matches(text: str, matching: str, other: str) -> None:
    pattern = name_pattern(text)
    assert pattern is not None
    assert pattern.matches(matching)
    assert not pattern.matches(other)
