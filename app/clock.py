"""The time, read in one place and passed on as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Returns milliseconds since 1970.
Clock = Callable[[], int]


def system_clock() -> int:
    """The clock of this machine."""
    return time.time_ns() // 1_000_000


def elapsed() -> float:
    """Seconds of a clock that is never set and keeps running while the machine sleeps. Leases are measured by it."""
    return time.clock_gettime(_ELAPSED)


_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

#: Smaller steps go unnoticed, because every clock is slewed a little all the time.
STEP_SECONDS = 2.0


class ClockSteps:
    """Detects that the clock was set forward or that the machine slept.

    After either, many deadlines have passed at once that no process had time to meet. `steady` is a clock in seconds
    that is never set and stands still while the machine sleeps.
    """

    def __init__(self, now_ms: int, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._ahead_seconds = now_ms / 1000 - steady()
        self._stepped = float("-inf")

    def seconds_since(self, now_ms: int) -> float:
        """Seconds since a step forward was detected; infinite if none was. Call this often, since each call checks."""
        steady = self._steady()
        ahead_seconds = now_ms / 1000 - steady
        if ahead_seconds - self._ahead_seconds > STEP_SECONDS:
            self._stepped = steady
        self._ahead_seconds = ahead_seconds
        return steady - self._stepped
