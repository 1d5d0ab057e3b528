"""What a signal handler sets and the main thread waits for."""

from __future__ import annotations

import contextlib
import threading


class StopEvent:
    """An event that a signal may set at any moment; one thread waits for it.

    A handler runs between two steps of the main thread. If those are in `threading.Event.wait`, `set` waits for ever
    for the lock that `wait` holds. Here `set` waits for nothing: it releases a lock that `wait` tries to acquire.
    (`queue.SimpleQueue` would do as well, but up to Python 3.12 its `get` never ends if its time is over when it
    begins to wait, or goes on waiting after a signal.)
    """

    def __init__(self) -> None:
        self._is_set = False
        self._until_set = threading.Lock()
        self._until_set.acquire()

    def set(self) -> None:
        """Make `wait` return, now and from now on."""
        self._is_set = True
        with contextlib.suppress(RuntimeError):  # it is released: the event was set before
            self._until_set.release()

    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait for `set`, but not longer than this. Returns whether it was called."""
        if not self._is_set:
            self._until_set.acquire(timeout=seconds)
        return self._is_set
