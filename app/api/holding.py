"""Limits the number of responses that are held open at once.

A held response occupies a server thread. Some threads are reserved for other requests: beyond the limit, a `wait` is
not granted and the response is sent at once with the task's current state. RFC 7240 permits that: a server may ignore
a preference.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Threads reserved for responses that are not held; a server with few threads reserves half of them.
RESERVED_THREADS = 16


def max_held(threads: int) -> int:
    """The limit for a server with `threads` threads."""
    return max(threads - RESERVED_THREADS, threads // 2)


class Holding:
    """Counts the held responses. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._places = threading.BoundedSemaphore(limit)

    @contextmanager
    def __call__(self, wait_seconds: float) -> Iterator[float]:
        """Yields the granted seconds: `wait_seconds`, or 0 if too many responses are held already."""
        if wait_seconds <= 0 or not self._places.acquire(blocking=False):
            yield 0.0
            return
        try:
            yield wait_seconds
        finally:
            self._places.release()
