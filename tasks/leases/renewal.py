"""Renews the leases of what runs here.

In a thread of its own: whatever else a worker looks after may take long, and a lease that is renewed too late costs
the attempt (tasks/leases/guard.py).
"""

from __future__ import annotations

import logging
import threading

from app.clock import Clock, elapsed
from app.domain.errors import Unavailable
from app.store.tasks import TaskStore
from tasks.leases.in_flight import InFlight

logger = logging.getLogger("celeriac.worker")

#: Of a lease: how old it may get, and how often that is looked at.
RENEW_AFTER = 1 / 3
LOOK = 1 / 12
MAX_LOOK_SECONDS = 1.0


class Renewal:
    """Runs until `stop`. Where Redis is away it tries again and again: what is too late, the lease guard ends."""

    def __init__(self, store: TaskStore, in_flight: InFlight, lease_seconds: float, clock: Clock) -> None:
        self._store = store
        self._in_flight = in_flight
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._renewed = float("-inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(MAX_LOOK_SECONDS + 5)

    def soon(self) -> None:
        """Renew at the next look: records may say what was missed."""
        self._renewed = float("-inf")

    def _run(self) -> None:
        while not self._stopped.wait(min(self._lease_seconds * LOOK, MAX_LOOK_SECONDS)):
            try:
                self._renew_if_due(elapsed())
            except Unavailable as error:
                logger.debug("no lease was renewed", extra={"action": "renewal_failed", "reason": str(error)})
            except Exception:  # a defect must not end this thread: no lease would be renewed ever
                logger.exception("the renewal failed; it goes on", extra={"action": "renewal_failed"})

    def _renew_if_due(self, now: float) -> None:
        if now - self._renewed < self._lease_seconds * RENEW_AFTER:
            return
        self._renewed = now  # before: a `soon` that comes meanwhile counts
        try:
            self._renew(now)
        except BaseException:
            self.soon()
            raise

    def _renew(self, now: float) -> None:
        """Renew all; end the attempts that are no longer ours, or that somebody wants stopped."""
        held = self._in_flight.held()
        if not held:
            return
        lease_ends = now + self._lease_seconds  # by the time before the call: it may take long
        attempts = [one.attempt for one in held]
        kept = self._store.renew(attempts, self._clock() + round(self._lease_seconds * 1000))
        self._in_flight.renewed([one for one, still_ours in zip(held, kept, strict=True) if still_ours], lease_ends)
        for one, still_ours in zip(held, kept, strict=True):
            if not still_ours:
                one.cancel.cancel()
