"""The log says when the clock of a machine and that of Redis differ."""

from __future__ import annotations

import logging

import pytest

from app.clock import system_clock
from app.store.store import Store
from app.usecases.clock_check import LOOK_SECONDS, ClockCheck


class _Shifted:
    """The clock of a machine that differs from this one's, and one that is never set."""

    def __init__(self) -> None:
        self.shift_ms = 0
        self.steady_seconds = 0.0

    def now(self) -> int:
        return system_clock() + self.shift_ms

    def steady(self) -> float:
        return self.steady_seconds


@pytest.mark.parametrize(("shift_ms", "words"), [(3_600_000, "s ahead of that"), (-60_000, "s behind that")])
def test_a_difference_is_said_once_and_so_is_its_end(
    store: Store, caplog: pytest.LogCaptureFixture, shift_ms: int, words: str
) -> None:
    caplog.set_level(logging.INFO, "celeriac.clock")
    shifted = _Shifted()
    check = ClockCheck(store.liveness, shifted.now, shifted.steady)

    def look() -> list[str]:
        check.look()
        shifted.steady_seconds += LOOK_SECONDS
        return [str(vars(record)["action"]) for record in caplog.records]

    assert look() == []
    shifted.shift_ms = shift_ms
    assert look() == ["clock_differs"]
    assert words in caplog.records[0].getMessage()
    # The time that the call takes counts for neither side, however busy the machine is.
    assert 0 < vars(caplog.records[0])["ahead_seconds"] * 1000 / shift_ms <= 1
    assert look() == ["clock_differs"]
    shifted.shift_ms = 0
    assert look() == ["clock_differs", "clock_agrees"]


def test_redis_is_asked_once_a_minute(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    shifted = _Shifted()
    check = ClockCheck(store.liveness, shifted.now, shifted.steady)
    check.look()
    shifted.shift_ms = 60_000
    shifted.steady_seconds = LOOK_SECONDS - 1
    check.look()
    assert caplog.records == []
    shifted.steady_seconds = LOOK_SECONDS
    check.look()
    assert [vars(record)["action"] for record in caplog.records] == ["clock_differs"]
