"""What a signal handler sets and the main thread waits for."""

from __future__ import annotations

import contextlib
import queue


class StopEvent:
    """An event that a signal may set at any moment; one thread waits for it.

    A handler runs between two steps of the main thread. If those are in `threading.Event.wait`, `set` waits for ever
    for the lock that `wait` holds. Python promises that a SimpleQueue does without such a lock.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Make `wait` return, now and from now on."""
        self._is_set = True
        self._wakes.put(None)

    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait for `set`, but not longer than this. Returns whether it was called."""
        if not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=seconds)
        return self._is_set
