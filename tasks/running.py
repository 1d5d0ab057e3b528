"""The attempts that this process runs right now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.store.tasks import Attempt
from tasks.executors import Cancellable


@dataclass(slots=True, eq=False)
class Held:
    """A running attempt, the means to end it, and whether its worker gives it back unfinished."""

    attempt: Attempt
    cancel: Cancellable
    is_given_back: bool = False


class Running:
    """Attempts and the means to end them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}

    @contextmanager
    def __call__(self, attempt: Attempt, cancel: Cancellable) -> Iterator[Held]:
        """While it lasts, the attempt counts as running and can be cancelled by its task's id."""
        held = Held(attempt, cancel)
        with self._lock:
            self._held[attempt.task_id] = held
        try:
            yield held
        finally:
            with self._lock:
                if self._held.get(attempt.task_id) is held:
                    del self._held[attempt.task_id]

    def held(self) -> list[Attempt]:
        """Each of them."""
        with self._lock:
            return [held.attempt for held in self._held.values()]

    def cancel(self, task_id: str) -> bool:
        """End the task's attempt; False where it does not run here."""
        with self._lock:
            found = self._held.get(task_id)
        if found is None:
            return False
        found.cancel.cancel()
        return True

    def give_back_all(self) -> None:
        """End all attempts, not for their tasks' sake: the tasks are to run again."""
        with self._lock:
            given_back = list(self._held.values())
        for held in given_back:
            held.is_given_back = True
            held.cancel.cancel()
