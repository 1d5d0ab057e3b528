"""What beat does at each tick beside cron, and a worker where no beat is alive: recovery and retention.

Each step is bounded, and safe in any number of processes at once: the store changes a task only if it still is what
was seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.clock import ClockSteps
from app.domain.errors import Unavailable
from app.settings import Settings
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.recovery import Recovery
from app.usecases.retention import Retention

logger = logging.getLogger("celeriac.maintenance")


class Maintenance:
    """One process' share of the work; `actor` names it in histories. Not thread-safe: one thread calls it."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        settings: Settings,
        actor: str,
        steps: ClockSteps | None = None,
    ) -> None:
        self.recovery = Recovery(store, dispatcher, settings, actor, steps=steps)
        self.retention = Retention(store.retention, settings)
        self._parts: tuple[Callable[[int], object], ...] = (
            self.recovery.watch_clock,
            self.recovery.promote,
            self.recovery.mark_overdue,
            self.recovery.take_back_lost,
            self.recovery.resend_lost,
            self.retention.run,
        )

    def run(self, now_ms: int) -> None:
        """Everything once; a defect in one part keeps none of the others from its work.

        Raises Unavailable where Redis can't be reached.
        """
        for part in self._parts:
            try:
                part(now_ms)
            except Unavailable:
                raise
            except Exception:
                more = {"action": "maintenance_failed", "part": getattr(part, "__name__", str(part))}
                logger.exception("a part of the maintenance failed; the others go on", extra=more)
