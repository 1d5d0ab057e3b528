"""Troubles of the service: told when they last, and at their end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.alerts.service import AWAY_MS, PATIENCE_MS, Findings, Trouble, absence, follow
from app.domain.channels.notice import _TROUBLES, Notice, NoticeType, message_of

BEAT: Findings = {"beat": ("beat", "")}


def run(*looks: tuple[int, Findings]) -> list[tuple[str, str, int]]:
    """Look at these times. Returns type, subject and beginning of each notice."""
    known, owed = dict[str, Trouble](), list[Notice]()
    for now_ms, found in looks:
        known, more = follow(known, found, now_ms)
        assert {name: Trouble.from_json(trouble.as_json()) for name, trouble in known.items()} == known
        owed += more
    return [(str(notice.type), notice.subject, notice.since_ms) for notice in owed]


def test_a_trouble_that_passes_by_itself_is_not_told() -> None:
    assert run((1, BEAT), (PATIENCE_MS, BEAT), (PATIENCE_MS + 1, {})) == []


def test_a_trouble_that_lasts_is_told_once_and_so_is_its_end() -> None:
    looks = [(1, BEAT), (PATIENCE_MS + 1, BEAT), (2 * PATIENCE_MS, BEAT), (3 * PATIENCE_MS, {}), (4 * PATIENCE_MS, {})]
    assert run(*looks) == [("trouble", "beat", 1), ("well", "beat", 1)]


def test_a_trouble_is_told_after_half_a_minute_and_an_absence_after_a_minute() -> None:
    assert run((1, BEAT), (30_000, BEAT)) == []
    assert run((1, BEAT), (30_001, BEAT)) == [("trouble", "beat", 1)]
    assert absence(1, 60_000) is None
    assert absence(1, 60_001) is not None


def test_a_clock_that_is_set_back_does_not_put_off_a_trouble() -> None:
    hour_ms = 3_600_000
    looks = [(hour_ms, BEAT), (5_000, BEAT), (5_000 + PATIENCE_MS, BEAT), (6_000 + PATIENCE_MS, {})]
    assert run(*looks) == [("trouble", "beat", 5_000), ("well", "beat", 5_000)]


def test_nobody_looked_is_told_by_whoever_looks_next() -> None:
    assert absence(None, 10**9) is None
    assert absence(1, AWAY_MS) is None
    found = absence(1, 1 + AWAY_MS)
    assert found is not None
    assert (found.type, found.subject, found.since_ms) == (NoticeType.WELL, "away", 1)


@given(looks=st.lists(st.tuples(st.integers(0, 60_000), st.sets(st.sampled_from(["a", "b"]))), max_size=40))
def test_every_trouble_that_is_told_has_one_end(looks: list[tuple[int, set[str]]]) -> None:
    now_ms, times = 0, list[tuple[int, Findings]]()
    for pause_ms, names in looks:
        now_ms += pause_ms
        times.append((now_ms, {name: (name, "") for name in names}))
    for name in "ab":
        types = [type_ for type_, subject, _ in run(*times, (now_ms + 1, {})) if subject == name]
        assert types == ["trouble", "well"] * (len(types) // 2)


@pytest.mark.parametrize("subject", _TROUBLES)
def test_every_trouble_has_words(subject: str) -> None:
    notice = Notice(NoticeType.TROUBLE, subject, 1, reason="DETAIL")
    for language in ("en", "zh"):
        message = message_of(notice, language, "")  # type: ignore[arg-type]
        assert message.detail == ""
        end = message_of(replace(notice, type=NoticeType.WELL), language, "")  # type: ignore[arg-type]
        assert end.headline.startswith({"en": "This trouble", "zh": "Celeriac 的这项异常"}[language]), "others may last"
        assert ("DETAIL" in message.headline) == ("{}" in _TROUBLES[subject]["en"])
