"""Ends a run from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancel:
    """Made by the caller, given to `Sandbox.run`. Thread-safe; cancelling before the run starts counts."""

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
        """What ends the run; None when there is none any more. Called by the sandbox."""
        with self._lock:
            self._end = end
            if end is not None and self.cancelled:
                end()
