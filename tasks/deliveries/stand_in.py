"""When beat sends deliveries itself: while no worker does.

Otherwise nobody would hear that all workers for API tasks are gone, since it is they who send notices.
"""

from __future__ import annotations

from app.clock import Clock
from app.domain.kinds import QUEUES
from app.domain.status import Kind
from app.store.liveness import LivenessStore

LOOK_EVERY_MS = 2_000


class StandIn:
    """The look at the workers. Not thread-safe: one courier asks."""

    def __init__(self, store: LivenessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looked_ms = 0
        self._is_needed = False

    def is_needed(self) -> bool:
        """Whether no live worker sends deliveries, as of LOOK_EVERY_MS ago at most. Raises Unavailable."""
        now_ms = self._clock()
        if not 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            workers = self._store.workers(now_ms)
            self._is_needed = not any(QUEUES[Kind.API] in worker["queues"] for worker in workers)
            self._looked_ms = now_ms
        return self._is_needed
