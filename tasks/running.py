"""The attempts that this process runs right now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.store.tasks import Attempt
from tasks.executors import Cancellable


class Running:
    """Attempts and the means to end them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[str, tuple[Attempt, Cancellable]] = {}

    @contextmanager
    def __call__(self, attempt: Attempt, cancel: Cancellable) -> Iterator[None]:
        """While it lasts, the attempt counts as running and can be cancelled by its task's id."""
        with self._lock:
            self._attempts[attempt.task_id] = attempt, cancel
        try:
            yield
        finally:
            with self._lock:
                if self._attempts.get(attempt.task_id) == (attempt, cancel):
                    del self._attempts[attempt.task_id]

    def held(self) -> list[Attempt]:
        """Each of them."""
        with self._lock:
            return [attempt for attempt, _ in self._attempts.values()]

    def cancel(self, task_id: str) -> bool:
        """End the task's attempt; False where it does not run here."""
        with self._lock:
            found = self._attempts.get(task_id)
        if found is None:
            return False
        found[1].cancel()
        return True
