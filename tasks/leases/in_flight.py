"""The attempts that this process runs right now."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from app.store.tasks import Attempt
from tasks.executors import Cancellable

#: Stops that are remembered: one may come when its attempt was claimed and is not held yet.
REMEMBERED_STOPS = 1_000


@dataclass(slots=True, eq=False)
class InFlightAttempt:
    """A running attempt, the means to end it, and until when it is certainly ours (by `elapsed` of app/clock.py).

    is_given_back: its worker ends, and gives it back unfinished. lease_is_lost: it was ended for want of a lease.
    """

    attempt: Attempt
    cancel: Cancellable
    lease_ends: float
    is_given_back: bool = False
    lease_is_lost: bool = False

    def give_back(self) -> None:
        """End it, not for its task's sake: the task is to run again."""
        self.is_given_back = True
        self.cancel.cancel()

    def lose_lease(self) -> None:
        """End it, not for its task's sake: somebody else may start it soon."""
        self.lease_is_lost = True
        self.cancel.cancel()


class InFlight:
    """Attempts and the means to end them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[InFlightAttempt] = set()
        self._stopped: deque[str] = deque(maxlen=REMEMBERED_STOPS)

    @contextmanager
    def __call__(self, attempt: Attempt, cancel: Cancellable, lease_ends: float) -> Iterator[InFlightAttempt]:
        """While it lasts, the attempt counts as running and can be cancelled by its task's id."""
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
        """Each of them."""
        with self._lock:
            return list(self._held)

    def attempts(self) -> list[Attempt]:
        """Each one's attempt."""
        return [held.attempt for held in self.held()]

    def renewed(self, held: Sequence[InFlightAttempt], lease_ends: float) -> None:
        """These are ours for longer."""
        with self._lock:
            for one in held:
                one.lease_ends = lease_ends

    def lose_leases(self, until: float) -> int:
        """End what is ours only up to `until`. Returns how many, each told once."""
        with self._lock:
            lost = [held for held in self._held if held.lease_ends <= until and not held.lease_is_lost]
        for held in lost:
            held.lose_lease()
        return len(lost)

    def cancel(self, task_id: str) -> bool:
        """End the task's attempts; False where none runs here.

        There may be two: the older one has lost its lease while this process was asleep, and does not know it yet.
        An attempt that comes a moment later is ended too: a task that was stopped never starts again.
        """
        with self._lock:
            self._stopped.append(task_id)
            found = [held for held in self._held if held.attempt.task_id == task_id]
        for held in found:
            held.cancel.cancel()
        return bool(found)

    def give_back_all(self) -> None:
        """End all attempts, not for their tasks' sake: the tasks are to run again."""
        for held in self.held():
            held.give_back()
