"""Quotas and durations as they are written in settings and on the command line."""

from __future__ import annotations

import pytest

from app.domain.durations import parse_duration
from app.domain.quota import Action, Quota, parse_quotas


def test_a_quota_is_calls_in_seconds_for_each_action() -> None:
    assert parse_quotas("read:2000/10, write:5/60") == {Action.READ: Quota(2000, 10), Action.WRITE: Quota(5, 60)}


def test_an_action_that_is_left_out_has_no_limit() -> None:
    assert parse_quotas("write:5/60") == {Action.WRITE: Quota(5, 60)}
    assert parse_quotas("off") == parse_quotas(" OFF ") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "must be off, or a list like read:2000/10,write:1000/10 (calls/seconds); 100 is not"),
        ("reads:1/1", "must be off, or a list like read:2000/10,write:1000/10 (calls/seconds); reads:1/1 is not"),
        ("read:-1/1", "must be off, or a list like read:2000/10,write:1000/10 (calls/seconds); read:-1/1 is not"),
        ("read:0/1", "must allow 1 to 1000000 calls in 1 to 86400 seconds; read:0/1 does not"),
        ("read:1/0", "must allow 1 to 1000000 calls in 1 to 86400 seconds; read:1/0 does not"),
        ("read:1/86401", "must allow 1 to 1000000 calls in 1 to 86400 seconds; read:1/86401 does not"),
        ("read:1/1,read:2/1", "has two limits for read"),
    ],
)
def test_a_wrong_quota_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is compared
        parse_quotas(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1_800), ("24h", 86_400), ("90d", 7_776_000), ("2w", 1_209_600), ("0s", 0)],
)
def test_a_duration_has_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5h", "1 d", "1D", "٣d", "3651d", "9999999999s"])
def test_a_wrong_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)
