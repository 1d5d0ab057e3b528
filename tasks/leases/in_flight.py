"""The attempts that this process is running."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from app.store.tasks import Attempt
from tasks.executors import Cancellable

#: How many stops are remembered, since a stop may arrive between the claim of its attempt and its entry here.
REMEMBERED_STOPS = 1_000


@dataclass(slots=True, eq=False)
class InFlightAttempt:
    """A running attempt, the means to cancel it, and the end of its lease (by `elapsed` of app/clock.py).

    is_given_back: the worker is stopping and gives the attempt back unfinished.
    lease_is_lost: the attempt was ended because its lease could not be renewed.
    """

    attempt: Attempt
    cancel: Cancellable
    lease_ends: float
    is_given_back: bool = False
    lease_is_lost: bool = False

    def give_back(self) -> None:
        """End the attempt because its worker is stopping; the task will run again."""
        self.is_given_back = True
        self.cancel.cancel()

    def lose_lease(self) -> None:
        """End the attempt because another worker may soon start the task."""
        self.lease_is_lost = True
        self.cancel.cancel()


class InFlight:
    """The running attempts and the means to cancel them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[InFlightAttempt] = set()
        self._stopped: deque[str] = deque(maxlen=REMEMBERED_STOPS)

    @contextmanager
    def __call__(self, attempt: Attempt, cancel: Cancellable, lease_ends: float) -> Iterator[InFlightAttempt]:
        """Hold the attempt while the block lasts: it counts as running and can be cancelled by its task's id."""
        held = InFlightAttempt(attempt, cancel, lease_ends)
        with self._lock:
            self._held.add(held)
            is_stopped = attempt.task_id in self._stopped
        if is_stopped:
            cancel.cancel()
        try:
            yield held
        finally:
            with self._lock:
                self._held.remove(held)

    def held(self) -> list[InFlightAttempt]:
        """All attempts that are held."""
        with self._lock:
            return list(self._held)

    def attempts(self) -> list[Attempt]:
        """The same without the means to cancel them."""
        return [held.attempt for held in self.held()]

    def renewed(self, held: Sequence[InFlightAttempt], lease_ends: float) -> None:
        """Note a later end of these attempts' leases."""
        with self._lock:
            for attempt in held:
                attempt.lease_ends = lease_ends

    def lose_leases(self, until: float) -> int:
        """End the attempts whose lease is over by `until`, each once. Returns how many."""
        with self._lock:
            lost = [held for held in self._held if held.lease_ends <= until and not held.lease_is_lost]
        for held in lost:
            held.lose_lease()
        return len(lost)

    def cancel(self, task_id: str) -> bool:
        """End the task's attempts; False if none runs here.

        There may be two, if the older one has lost its lease while this process was asleep and has not noticed yet.
        An attempt that is entered a moment later is ended as well: a stopped task never starts again.
        """
        with self._lock:
            self._stopped.append(task_id)
            found = [held for held in self._held if held.attempt.task_id == task_id]
        for held in found:
            held.cancel.cancel()
        return bool(found)

    def give_back_all(self) -> None:
        """End all attempts because the worker is stopping; their tasks will run again."""
        for held in self.held():
            held.give_back()
