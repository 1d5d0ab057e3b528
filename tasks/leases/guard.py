"""Ends attempts whose lease could not be renewed, before anybody else may start them.

Redis gives an attempt to somebody else when its lease is over. A lease counts from the moment before the call that
asked for it, by a clock that goes on while the machine sleeps, and what is held is ended a margin before it is over.
So a worker that can't reach Redis, or was itself asleep, never runs what another has begun. (One that is asleep can't
end anything: its calls may go on until it wakes.)
"""

from __future__ import annotations

import logging
import threading

from app.clock import elapsed
from tasks.leases.in_flight import InFlight

logger = logging.getLogger("celeriac.worker")

#: Of a lease: how long before its end attempts are ended, and how often that is looked at.
MARGIN = 1 / 8
LOOK = 1 / 40
MAX_LOOK_SECONDS = 0.25


class LeaseGuard:
    """A thread that never speaks to Redis, so nothing holds it up."""

    def __init__(self, in_flight: InFlight, lease_seconds: float) -> None:
        self._in_flight = in_flight
        self._margin_seconds = lease_seconds * MARGIN
        self._look_seconds = min(lease_seconds * LOOK, MAX_LOOK_SECONDS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(MAX_LOOK_SECONDS + 1)

    def look(self, now: float) -> int:
        """End what is ours no longer than the margin from `now` on. Returns how many."""
        lost = self._in_flight.lose_leases(now + self._margin_seconds)
        if lost:
            logger.warning(
                "leases could not be renewed; their attempts are ended", extra={"action": "leases_lost", "count": lost}
            )
        return lost

    def _run(self) -> None:
        while not self._stopped.wait(self._look_seconds):
            self.look(elapsed())
