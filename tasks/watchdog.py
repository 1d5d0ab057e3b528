"""Finds out a worker that lives and fetches nothing, and ends it so that it is started anew.

Time counts only while this process is awake and Redis answers it: a worker whose Redis is away has nothing to fetch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("celeriac.worker")

#: The consumer asks Redis once a second. Silent for so long: `/health` says so; and for so long: the worker ends.
DOUBT_SECONDS = 8.0
END_SECONDS = 15.0
#: What one look may count for, however long ago the last one was: this process may have been asleep.
MAX_STEP_SECONDS = 2.0


class Watchdog:
    """Looks at each tick of the heartbeat at which Redis answered."""

    def __init__(self, last_seen: Callable[[], float | None], end: Callable[[], None]) -> None:
        self._last_seen = last_seen
        self._end = end
        self._seen: float | None = None
        self._looked: float | None = None
        self._silent_seconds = 0.0
        self._has_ended = False

    @property
    def is_consuming(self) -> bool:
        """False once the consumer has been silent for long."""
        return self._silent_seconds < DOUBT_SECONDS

    def redis_is_away(self) -> None:
        """The time until the next look does not count."""
        self._looked = None

    def look(self, now: float) -> None:
        """Ends the worker, once, when its consumer has been silent for too long."""
        seen = self._last_seen()
        step = 0.0 if self._looked is None else min(now - self._looked, MAX_STEP_SECONDS)
        self._looked = now
        if seen is None or seen != self._seen:
            self._seen, self._silent_seconds = seen, 0.0
            return
        self._silent_seconds += step
        if self._silent_seconds >= END_SECONDS and not self._has_ended:
            self._has_ended = True
            logger.critical(
                "the worker fetches nothing although redis answers; it ends, to be started anew",
                extra={"action": "consumer_stalled", "silent_seconds": round(self._silent_seconds)},
            )
            self._end()
