"""Upkeep of deliveries, a part of the maintenance: put back lost tries, remove what is too old or too many."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.settings import Settings
from app.store.deliveries import DeliveryStore
from app.usecases.recovery import Recovery

logger = logging.getLogger("celeriac.deliveries")

BATCH = 200
#: Steps of one round, and so of about a second.
MAX_STEPS = 25
TRIM_EVERY_MS = 1_000


@dataclass(slots=True)
class DeliveryUpkeep:
    """The upkeep that one process does. Any number of processes may do so at once. Not thread-safe."""

    store: DeliveryStore
    settings: Settings
    recovery: Recovery  # knows whether leases can be trusted
    trimmed_ms: int = 0

    def take_back_lost_tries(self, now_ms: int) -> int:
        """Put back the deliveries whose worker died during a try. Returns their number."""
        if self.recovery.is_wary:
            return 0
        found = self.store.take_back(now_ms, BATCH)
        if found:
            logger.warning("deliveries were lost with a worker", extra={"action": "deliveries_lost", "count": found})
        return found

    def trim(self, now_ms: int) -> int:
        """Remove deliveries, at most once a second. Returns their number."""
        if 0 <= now_ms - self.trimmed_ms < TRIM_EVERY_MS:
            return 0
        self.trimmed_ms = now_ms
        before_ms = now_ms - round(self.settings.delivery_ttl * 1000)
        total = unsent = 0
        for _ in range(MAX_STEPS):
            removed, pending = self.store.trim(before_ms, self.settings.max_deliveries, BATCH)
            total, unsent = total + removed, unsent + pending
            if removed == 0:
                break
        if unsent:
            fields = {"action": "deliveries_dropped", "count": unsent}
            logger.error("too many deliveries are pending (MAX_DELIVERIES): the oldest were removed", extra=fields)
        return total
