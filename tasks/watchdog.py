"""Detects a worker that is alive but fetches nothing, and stops it so that it can be restarted.

Only time during which this process is awake and Redis answers counts: without Redis there is nothing to fetch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("celeriac.worker")

#: The consumer asks Redis once a second. After this much silence `/health` reports the worker, …
DOUBT_SECONDS = 8.0
#: … and after this much the worker ends.
END_SECONDS = 15.0
#: The most that one check adds to the silence, however long ago the last one was: this process may have been asleep.
MAX_STEP_SECONDS = 2.0


class Watchdog:
    """Checks on the consumer at each tick of the heartbeat at which Redis answered.

    `last_fetch` returns the moment of the consumer's last fetch, or None if there is nothing to watch.
    """

    def __init__(self, last_fetch: Callable[[], float | None], end: Callable[[], None]) -> None:
        self._last_fetch = last_fetch
        self._end = end
        self._fetched: float | None = None
        self._checked: float | None = None
        self._silent_seconds = 0.0
        self._has_ended = False

    @property
    def is_consuming(self) -> bool:
        """False once the consumer has been silent for DOUBT_SECONDS."""
        return self._silent_seconds < DOUBT_SECONDS

    def redis_is_away(self) -> None:
        """Leave out the time until the next check."""
        self._checked = None

    def check(self, now: float) -> None:
        """End the worker, once, when its consumer has been silent for too long."""
        fetched = self._last_fetch()
        step = 0.0 if self._checked is None else min(now - self._checked, MAX_STEP_SECONDS)
        self._checked = now
        if fetched is None or fetched != self._fetched:
            self._fetched, self._silent_seconds = fetched, 0.0
            return
        self._silent_seconds += step
        if self._silent_seconds >= END_SECONDS and not self._has_ended:
            self._has_ended = True
            logger.critical(
                "the worker fetches nothing although Redis answers; stopping it so that it can be restarted",
                extra={"action": "consumer_stalled", "silent_seconds": round(self._silent_seconds)},
            )
            self._end()
