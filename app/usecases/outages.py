"""Outages of Redis, as one process sees them.

An attempt that ends meanwhile stays with its worker, which reports it as soon as Redis is back; nobody renews its lease
until then. So a lease that ran out during an outage does not tell that its worker is dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: The longest time between two ticks that is no outage.
GAP_SECONDS = 3.0
#: A worker has written its reports this long after Redis is back: a call that began before takes up to two seconds to
#: fail, and the next one comes half a second later.
REPORT_SECONDS = 3.0


class Outages:
    """Tells whether workers had time to report since Redis was away. Not thread-safe.

    `steady`: a clock in seconds that is never set. The first tick may be the first one after an outage: the process may
    have been started during it.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._last = self._ended = float("-inf")

    def begin_tick(self) -> None:
        """Note that Redis takes writes. Call this in each tick, once Redis has taken one."""
        now = self._steady()
        if now - self._last > GAP_SECONDS:
            self._ended = now
        self._last = now

    def end_tick(self) -> None:
        """Note that Redis still does, so that a tick that takes long does not look like an outage."""
        self._last = self._steady()

    @property
    def has_just_ended(self) -> bool:
        """Whether workers may still have reports to write."""
        return self._steady() - self._ended < REPORT_SECONDS
