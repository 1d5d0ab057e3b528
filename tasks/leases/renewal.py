"""Renews the leases of the running attempts.

This has a thread of its own, because a worker's other background work may take long and a lease that is renewed too
late costs the attempt (tasks/leases/guard.py).
"""

from __future__ import annotations

import logging
import threading

from app.clock import Clock, elapsed
from app.domain.errors import Unavailable, reason_of
from app.store.tasks import Hold, TaskStore
from tasks.leases.in_flight import InFlight

logger = logging.getLogger("celeriac.worker")

#: As fractions of a lease: its age when it is renewed, and the interval between checks.
RENEW_AFTER = 1 / 3
CHECK_INTERVAL = 1 / 12
MAX_CHECK_SECONDS = 1.0


class Renewal:
    """Runs until `stop`. It keeps trying while Redis is away; the lease guard ends attempts that run out of time."""

    def __init__(self, store: TaskStore, in_flight: InFlight, lease_seconds: float, clock: Clock) -> None:
        self._store = store
        self._in_flight = in_flight
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._renewed = float("-inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(MAX_CHECK_SECONDS + 5)

    def renew_soon(self) -> None:
        """Renew at the next check, because the records may tell of a stop that was missed."""
        self._renewed = float("-inf")

    def _run(self) -> None:
        while not self._stopped.wait(min(self._lease_seconds * CHECK_INTERVAL, MAX_CHECK_SECONDS)):
            try:
                self._renew_if_due(elapsed())
            except Unavailable as error:
                logger.debug(
                    "leases could not be renewed", extra={"action": "renewal_failed", "reason": reason_of(error)}
                )
            except Exception:  # a defect must not end this thread: no lease would ever be renewed again
                logger.exception("renewing leases failed; trying again", extra={"action": "renewal_failed"})

    def _renew_if_due(self, now: float) -> None:
        if now - self._renewed < self._lease_seconds * RENEW_AFTER:
            return
        self._renewed = now  # set before the call, so that a `renew_soon` during it is not overwritten
        try:
            self._renew(now)
        except BaseException:
            self.renew_soon()
            raise

    def _renew(self, now: float) -> None:
        """Renew all leases; end the attempts that have been lost, or that are to be stopped."""
        held = self._in_flight.held()
        if not held:
            return
        lease_ends = now + self._lease_seconds  # counted from before the call, which may take long
        attempts = [running.attempt for running in held]
        holds = self._store.renew(attempts, self._clock() + round(self._lease_seconds * 1000))
        answers = list(zip(held, holds, strict=True))
        self._in_flight.renewed([running for running, hold in answers if hold is Hold.RENEWED], lease_ends)
        for running, hold in answers:
            if hold is Hold.STOPPING:
                running.cancel.cancel()
            elif hold is Hold.LOST:
                running.lose_lease()
