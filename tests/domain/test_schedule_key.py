"""Keys of scheduled tasks."""

from __future__ import annotations

import re

import pytest

from app.domain.schedule_key import PATTERN, is_schedule_key


@pytest.mark.parametrize("key", ["a", "nightly report", "a" * 200, "每日\u3000备份", "50%", "..", "🦄", "a\u2028b"])
def test_it_may_be_any_text(key: str) -> None:
    assert is_schedule_key(key)
    assert re.match(PATTERN, key), "the document says so too"


@pytest.mark.parametrize("key", ["", "a" * 201, "a/b", "a\nb", "a\n", "\x00", "\x7f", "\x85", "\ufffd", None, 7])
def test_it_is_text_that_an_address_and_a_file_can_hold(key: object) -> None:
    assert not is_schedule_key(key)


def test_half_a_character_is_none() -> None:
    assert not is_schedule_key("\ud800")
