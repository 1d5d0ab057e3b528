"""When this process last fetched a message, was told that there is none, or had no room for one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection


class LastFetch:
    """Written by the consumer's loop and read by the heartbeat's thread. A forked child starts without a moment."""

    def __init__(self) -> None:
        self._pid = 0
        self._moment = 0.0
        self._queues: Callable[[], Collection[str]] | None = None

    def record(self) -> None:
        """Note that the consumer is at work now."""
        self._pid, self._moment = os.getpid(), time.monotonic()

    def expect_from(self, queues: Callable[[], Collection[str]]) -> None:
        """Have this process fetch from these queues: none while somebody has told it to leave all of them alone."""
        self._queues = queues

    def moment(self) -> float | None:
        """The last recorded moment in seconds of the monotonic clock; None if this process has never fetched, or is not
        to fetch at present.
        """
        if self._pid != os.getpid() or (self._queues is not None and not self._queues()):
            return None
        return self._moment


#: The last fetch of this process, in which Celery creates one consumer.
last_fetch = LastFetch()
