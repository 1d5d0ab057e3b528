"""When this process last fetched a message, was told that there is none, or had no room for one."""

from __future__ import annotations

import os
import time


class LastFetch:
    """Written by the consumer's loop and read by the heartbeat's thread. A forked child starts without a moment."""

    def __init__(self) -> None:
        self._pid = 0
        self._moment = 0.0

    def record(self) -> None:
        """Note that the consumer is at work now."""
        self._pid, self._moment = os.getpid(), time.monotonic()

    def moment(self) -> float | None:
        """The last recorded moment in seconds of the monotonic clock; None if this process has never fetched."""
        return self._moment if self._pid == os.getpid() else None


#: The last fetch of this process, in which Celery creates one consumer.
last_fetch = LastFetch()
