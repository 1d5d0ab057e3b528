"""Compare the clock of this machine with that of Redis, and say in the log if they differ."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from app.clock import Clock
from app.store.liveness import LivenessStore
from app.usecases.recovery import CLOCK_TOLERANCE_MS

logger = logging.getLogger("celeriac.clock")

LOOK_SECONDS = 60.0


class ClockCheck:
    """Says once that the clocks differ, and once that they agree again. Not thread-safe.

    Nothing is decided by it: which of the two clocks is wrong, nobody knows (docs/decisions/0008). But each process
    compares with the same Redis, so a machine whose clock is wrong shows in its own log.
    """

    def __init__(self, liveness: LivenessStore, clock: Clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._liveness = liveness
        self._clock = clock
        self._steady = steady
        self._looked = float("-inf")
        self._differs = False

    def look(self) -> None:
        """Compare, at most once a minute. Raises Unavailable."""
        now = self._steady()
        if now - self._looked < LOOK_SECONDS:
            return
        before_ms = self._clock()
        redis_ms = self._liveness.server_time_ms()
        ahead_ms = _ahead_ms(before_ms, redis_ms, self._clock())
        self._looked = now
        differs = abs(ahead_ms) > CLOCK_TOLERANCE_MS
        if differs and not self._differs:
            logger.warning(
                "the clock of this machine is %.1f s %s that of Redis: correct the wrong one, and keep all by NTP, or "
                "tasks start early or late, run twice, or fail with WorkerLostError",
                abs(ahead_ms) / 1000,
                "ahead of" if ahead_ms > 0 else "behind",
                extra={"action": "clock_differs", "ahead_seconds": ahead_ms / 1000},
            )
        elif self._differs and not differs:
            logger.info("the clock of this machine agrees with that of Redis again", extra={"action": "clock_agrees"})
        self._differs = differs


def _ahead_ms(before_ms: int, redis_ms: int, after_ms: int) -> int:
    """How far this clock is ahead (or, below 0, behind), if Redis was asked between `before_ms` and `after_ms`."""
    return max(0, before_ms - redis_ms) or min(0, after_ms - redis_ms)
