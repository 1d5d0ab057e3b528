"""Ends a run from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancel:
    """Created by the caller and passed to `Sandbox.run`. Thread-safe. May be cancelled before the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """End the run now, or as soon as it starts."""
        with self._lock:
            self.cancelled = True
            if self._end is not None:
                self._end()

    def bind(self, end: Callable[[], None] | None) -> None:
        """Set what ends the run, or None once there is nothing left to end. Called by the sandbox."""
        with self._lock:
            self._end = end
            if end is not None and self.cancelled:
                end()
