"""How many answers may be held at once.

A held answer takes a thread of the server's. So that calls which only want to be answered find one, some threads hold
nothing: beyond the bound a `wait` is not granted, and the answer comes at once, with the task as it then stands.
RFC 7240 leaves that to the server: a preference is no order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Threads that never hold an answer; of few threads, half.
FREE_THREADS = 16


def most_held(threads: int) -> int:
    """The bound for a server with so many threads."""
    return max(threads - FREE_THREADS, threads // 2)


class Holding:
    """Counts the answers that are held. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._places = threading.BoundedSemaphore(limit)

    @contextmanager
    def __call__(self, wait_seconds: float) -> Iterator[float]:
        """The seconds that are granted: those wanted, or 0 where too many are held already."""
        if wait_seconds <= 0 or not self._places.acquire(blocking=False):
            yield 0.0
            return
        try:
            yield wait_seconds
        finally:
            self._places.release()
