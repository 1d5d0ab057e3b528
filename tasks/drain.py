"""The end of a worker: it takes nothing new, lets run what runs, and gives the rest back."""

from __future__ import annotations

import logging
import threading
import time

from app.clock import Clock
from app.domain.errors import Unavailable
from app.store.recovery import RecoveryStore
from app.usecases.dispatch import Dispatcher
from tasks.leases.in_flight import InFlight

logger = logging.getLogger("celeriac.worker")

TICK_SECONDS = 0.05
#: How long the consumer has to say that it fetches no more; given back earlier, a message could come back here.
CONSUMER_SECONDS = 5.0
#: How long the thread that gives back is waited for at the end, Redis being slow or away.
LAST_SECONDS = 3.0
#: Tasks given back by one call.
BATCH = 200


class Drain:
    """What a worker holds when it is told to end.

    Messages that were fetched and not started go back as soon as no more are fetched; attempts that still run go back
    when the grace is over. What can't be given back, since Redis is away, is found by the recovery: its message is
    gone, or its lease over. Thread-safe.
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
        self._has_failed = False  # said once, not twenty times a second

    @property
    def has_begun(self) -> bool:
        """Whether nothing is to be started any more."""
        return self._thread is not None

    def fetched(self, task_id: str) -> None:
        """A message has come for this task."""
        self._fetched.add(task_id)

    def may_start(self, task_id: str) -> bool:
        """Whether a fetched task is to be started; once the end has begun, it goes back."""
        if self.has_begun:
            self._fetched.add(task_id)
            return False
        self._fetched.discard(task_id)
        return True

    def begin(self) -> None:
        """Start giving back, in a thread of its own: a signal's handler calls this."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
            self._thread.start()

    def consumer_ended(self) -> None:
        """No message is fetched from now on."""
        self._consumer_ended.set()

    def finish(self) -> None:
        """Give back the last ones, and end the thread. Nothing executes by now."""
        self._consumer_ended.set()
        self._finished.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._finished.wait(TICK_SECONDS):
            seconds = time.monotonic() - began
            if self._consumer_ended.is_set() or seconds >= CONSUMER_SECONDS:
                self._give_back_fetched()
            if seconds >= self._grace_seconds:
                self._in_flight.give_back_all()
        self._give_back_fetched()

    def _give_back_fetched(self) -> None:
        task_ids = list(self._fetched)[:BATCH]
        if not task_ids:
            return
        try:
            count = self._give_back(task_ids)
        except Unavailable as error:
            if not self._has_failed:
                logger.warning("could not give back", extra={"action": "give_back_failed", "reason": str(error)})
            self._has_failed = True
            return
        self._fetched.difference_update(task_ids)
        if count:
            logger.info("given back what was not started", extra={"action": "given_back", "count": count})

    def _give_back(self, task_ids: list[str]) -> int:
        now_ms = self._clock()
        messages = [
            (task, self._dispatcher.message(task.task_id, task.kind, task.priority, now_ms, now_ms))
            for task in self._store.sendable(task_ids)
        ]
        return self._store.hand_back(messages)
