"""Names of fields as other services write them."""

from __future__ import annotations

import pytest

from app.domain.hints import _KNOWN_ELSEWHERE, hint
from app.domain.spec import ScheduleSpec, TaskSpec

FIELDS = frozenset(TaskSpec.model_fields.keys() | ScheduleSpec.model_fields.keys())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("url", "api_url"),
        ("apiUrl", "api_url"),
        ("max-retries", "max_retries"),
        ("Timeout", "timeout"),
        ("tz", "timezone"),
        ("callbackURL", "callback_url"),
    ],
)
def test_a_name_from_elsewhere_is_understood(written: str, meant: str) -> None:
    assert hint(written, FIELDS) == f": did you mean {meant}?"


@pytest.mark.parametrize("written", ["", "name", "foo", "__class__", "x" * 1000])
def test_any_other_name_gets_no_hint(written: str) -> None:
    assert hint(written, FIELDS) == ""


def test_only_fields_that_there_are_can_be_meant() -> None:
    assert hint("endpoint", frozenset({"url", "chat_id"})) == ""
    assert hint("chatId", frozenset({"url", "chat_id"})) == ": did you mean chat_id?"


def test_only_real_fields_are_suggested() -> None:
    assert _KNOWN_ELSEWHERE.keys() <= FIELDS
    assert not FIELDS & {other for others in _KNOWN_ELSEWHERE.values() for other in others}
