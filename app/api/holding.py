"""Limits the number of responses that are held open at once: those that wait for a task, and event streams.

A held response occupies a server thread. Some threads are reserved for other requests: beyond the limit, a `wait` is
not granted and the response is sent at once with the task's current state. RFC 7240 permits that: a server may ignore
a preference. An event stream beyond the limit, or beyond a limit of its own, is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Threads reserved for responses that are not held; a server with few threads reserves half of them.
RESERVED_THREADS = 16


def max_held(threads: int) -> int:
    """The limit for a server with `threads` threads."""
    return max(threads - RESERVED_THREADS, threads // 2)


class Holding:
    """Counts the held responses, of which at most `streams` are event streams. Thread-safe."""

    def __init__(self, limit: int, streams: int = 0) -> None:
        self._places = threading.BoundedSemaphore(limit)
        self._streams = threading.BoundedSemaphore(streams)

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

    def take_stream(self) -> Callable[[], None] | None:
        """Take a place for an event stream. Returns the function that gives it back, or None if there is no place."""
        if not self._streams.acquire(blocking=False):
            return None
        if not self._places.acquire(blocking=False):
            self._streams.release()
            return None
        return self._give_back_stream

    def _give_back_stream(self) -> None:
        self._places.release()
        self._streams.release()
