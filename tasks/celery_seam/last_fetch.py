"""When this process last fetched, or asked and heard that there is nothing to fetch, or was full."""

from __future__ import annotations

import os
import time


class LastFetch:
    """Written by the consumer's loop, read by the heartbeat's thread. A child of the process has a blank one."""

    def __init__(self) -> None:
        self._pid = 0
        self._seen = 0.0

    def seen(self) -> None:
        """The consumer has been at work just now."""
        self._pid, self._seen = os.getpid(), time.monotonic()

    def last(self) -> float | None:
        """When that was, by the monotonic clock; None where this process has fetched nothing ever."""
        return self._seen if self._pid == os.getpid() else None


#: This process' consumer, of which Celery makes one.
last_fetch = LastFetch()
