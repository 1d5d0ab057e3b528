"""How many large request bodies are handled at once.

Parsed JSON takes up to 30 times the memory of its text: 16 MiB of empty lists become half a gigabyte. So a few large
bodies are handled at once, and the others wait a moment. The API's processes share the limit as evenly as they can.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.errors import Busy

MOST_AT_ONCE = 2
PATIENCE_SECONDS = 5.0


class LargeBodies:
    """Counts the large bodies that are being handled. Thread-safe."""

    @classmethod
    def of_one_among(cls, processes: int) -> LargeBodies:
        """The share of one process: at least one body."""
        return cls(max(1, MOST_AT_ONCE // processes))

    def __init__(self, limit: int = MOST_AT_ONCE, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._places = threading.BoundedSemaphore(limit)
        self._patience_seconds = patience_seconds

    @contextmanager
    def __call__(self, *, is_large: bool) -> Iterator[None]:
        """Handle one body. Raises Busy if no place for a large one becomes free in time."""
        if not is_large:
            yield
            return
        if not self._places.acquire(timeout=self._patience_seconds):
            raise Busy("too many large batches are being created at once; nothing was created")
        try:
            yield
        finally:
            self._places.release()
