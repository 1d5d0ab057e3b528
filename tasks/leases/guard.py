"""Ends attempts whose lease could not be renewed, before another worker may start them.

Redis lets another worker have an attempt once its lease is over. This side counts the lease from the moment before the
call that asked for it, by a clock that keeps running while the machine sleeps, and ends the attempt a margin before
the lease does. So a worker that could not reach Redis, or was itself asleep, never runs an attempt that another worker
has begun. (A worker that is asleep can't end anything: its calls may go on until it wakes.)
"""

from __future__ import annotations

import logging
import threading

from app.clock import elapsed
from tasks.leases.in_flight import InFlight

logger = logging.getLogger("celeriac.worker")

#: As fractions of a lease: how long before its end the attempt is ended, and the interval between checks.
MARGIN = 1 / 8
CHECK_INTERVAL = 1 / 40
MAX_CHECK_SECONDS = 0.25


class LeaseGuard:
    """A thread that never talks to Redis, so that nothing can hold it up."""

    def __init__(self, in_flight: InFlight, lease_seconds: float) -> None:
        self._in_flight = in_flight
        self._margin_seconds = lease_seconds * MARGIN
        self._check_seconds = min(lease_seconds * CHECK_INTERVAL, MAX_CHECK_SECONDS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(MAX_CHECK_SECONDS + 1)

    def check(self, now: float) -> int:
        """End the attempts whose lease is over within the margin from `now`. Returns how many."""
        lost = self._in_flight.lose_leases(now + self._margin_seconds)
        if lost:
            logger.warning(
                "leases could not be renewed; ending their attempts", extra={"action": "leases_lost", "count": lost}
            )
        return lost

    def _run(self) -> None:
        while not self._stopped.wait(self._check_seconds):
            self.check(elapsed())
