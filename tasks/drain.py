"""How a worker ends: it starts nothing new, lets running attempts finish, and gives the rest back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from app.clock import Clock
from app.domain.errors import Unavailable, reason_of
from app.store.recovery import RecoveryStore
from app.usecases.dispatch import Dispatcher
from tasks.leases.in_flight import InFlight

logger = logging.getLogger("celeriac.worker")

TICK_SECONDS = 0.05
#: How long the consumer has to report that it has ended. A message given back earlier could be fetched here again.
CONSUMER_SECONDS = 5.0
#: How long `finish` waits for the thread when Redis is slow or away.
JOIN_SECONDS = 3.0
#: How many tasks one call gives back.
BATCH = 200
#: So many fetched tasks are noted where nobody tells of their start, before those that have ended are forgotten.
MOST_FETCHED = 1_000


class Drain:
    """Gives back what a worker holds when it is told to end.

    Tasks that were fetched and not started go back as soon as the consumer fetches no more; attempts that are still
    running go back when the grace period is over. If Redis is away, recovery finds the tasks that could not be given
    back, since their messages are gone or their leases are over. Thread-safe.
    """

    def __init__(
        self, store: RecoveryStore, dispatcher: Dispatcher, in_flight: InFlight, grace_seconds: float, clock: Clock
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._in_flight = in_flight
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._fetched: set[str] = set()
        self._consumer_ended = threading.Event()
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None
        self._has_failed = False  # so that a failure is logged once, not twenty times a second

    @property
    def has_begun(self) -> bool:
        """Whether the worker is ending, so that nothing more may start."""
        return self._thread is not None

    def fetched(self, task_id: str) -> None:
        """Note that a message for this task was fetched."""
        self._fetched.add(task_id)

    def keep(self, held: Collection[str]) -> None:
        """Forget what was fetched and is not held any more, now and then: where children of this process begin it."""
        if len(self._fetched) > max(MOST_FETCHED, 2 * len(held)):
            self._fetched.intersection_update(held)

    def may_start(self, task_id: str) -> bool:
        """Whether a fetched task may start. Once the drain has begun it may not, and goes back."""
        if self.has_begun:
            self._fetched.add(task_id)
            return False
        self._fetched.discard(task_id)
        return True

    def give_back(self, task_id: str) -> None:
        """Give back a fetched task for which there is no place: at once, if this worker goes on."""
        if self.has_begun:
            self._fetched.add(task_id)
            return
        try:
            self._give_back([task_id])
        except Unavailable as error:
            fields = {"action": "give_back_failed", "task_id": task_id, "reason": reason_of(error)}
            logger.warning(
                "a task for which there is no place could not be given back; recovery finds it", extra=fields
            )

    def begin(self) -> None:
        """Start giving back, in a separate thread, because signal handlers call this."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
            self._thread.start()

    def consumer_ended(self) -> None:
        """Note that no more messages will be fetched."""
        self._consumer_ended.set()

    def finish(self) -> None:
        """Give back what is left and end the thread. By now no attempt is running."""
        self._consumer_ended.set()
        self._finished.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._finished.wait(TICK_SECONDS):
            seconds = time.monotonic() - began
            if self._consumer_ended.is_set() or seconds >= CONSUMER_SECONDS:
                self._give_back_fetched()
            if seconds >= self._grace_seconds:
                self._in_flight.give_back_all()
        while self._give_back_fetched():
            pass

    def _give_back_fetched(self) -> bool:
        """Give some back. Whether there may be more."""
        task_ids = list(self._fetched)[:BATCH]
        if not task_ids:
            return False
        try:
            count = self._give_back(task_ids)
        except Unavailable as error:
            if not self._has_failed:
                fields = {"action": "give_back_failed", "reason": reason_of(error)}
                logger.warning("tasks that were not started could not be given back; trying again", extra=fields)
            self._has_failed = True
            return False
        self._fetched.difference_update(task_ids)
        if count:
            logger.info("gave back tasks that were not started", extra={"action": "given_back", "count": count})
        return True

    def _give_back(self, task_ids: list[str]) -> int:
        now_ms = self._clock()
        messages = [
            (task, self._dispatcher.message(task.task_id, task.kind, task.priority, now_ms, now_ms))
            for task in self._store.sendable(sorted(task_ids, reverse=True))  # the oldest come to stand in front
        ]
        return self._store.hand_back(messages)
