"""What time it is: read in one place, passed on as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Returns ms since 1970.
Clock = Callable[[], int]


def system_clock() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


def elapsed() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine sleeps: what a lease is measured by."""
    return time.clock_gettime(_ELAPSED)


_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

#: A clock that is set by less is not found out: all clocks are slewed a little all the time.
STEP_SECONDS = 2.0


class ClockSteps:
    """Finds out that the clock was set forward, or that the machine slept: then much is over that nobody had time for.

    `steady` is a clock in seconds that nobody sets, and that stands still while the machine sleeps.
    """

    def __init__(self, now_ms: int, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._ahead_seconds = now_ms / 1000 - steady()
        self._stepped = float("-inf")

    def seconds_since(self, now_ms: int) -> float:
        """How long ago a step forward was found; infinite where none was. To be asked often: a step is found then."""
        steady = self._steady()
        ahead_seconds = now_ms / 1000 - steady
        if ahead_seconds - self._ahead_seconds > STEP_SECONDS:
            self._stepped = steady
        self._ahead_seconds = ahead_seconds
        return steady - self._stepped
