"""When a delivery is tried again."""

from __future__ import annotations

from app.domain.deliveries import PAUSES_SECONDS, pause_ms


def test_ten_tries_in_three_days() -> None:
    pauses = [pause_ms(PAUSES_SECONDS, tried, 0.0, None) for tried in range(1, 11)]
    hour = 3_600_000
    assert pauses == [5_000, 300_000, 1_800_000, *(hours * hour for hours in (2, 5, 10, 14, 20, 24)), None]


def test_jitter_only_lengthens_a_pause() -> None:
    assert pause_ms(PAUSES_SECONDS, 2, 1.0, None) == 330_000


def test_the_receiver_may_ask_for_a_longer_pause_of_at_most_a_day() -> None:
    assert pause_ms(PAUSES_SECONDS, 1, 0.0, 60.0) == 60_000
    assert pause_ms(PAUSES_SECONDS, 2, 0.0, 60.0) == 300_000
    assert pause_ms(PAUSES_SECONDS, 1, 0.0, 1e9) == 86_400_000


def test_no_pause_follows_the_last_try_whatever_the_receiver_asks_for() -> None:
    assert pause_ms(PAUSES_SECONDS, 10, 0.0, 60.0) is None
    assert pause_ms((), 1, 0.0, None) is None
