"""Maintenance: recovery, retention, deliveries and bulks.

Beat runs it at each tick, besides cron; without a beat, a worker does.

Each step is bounded and may run in any number of processes at once: the store changes a task only if the task is
still as it was read. Bulks and alert rounds would be done twice for nothing, so one process at a time has their lease.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.clock import ClockSteps
from app.domain.errors import Unavailable
from app.settings import Settings
from app.store.store import Store
from app.usecases.alerts import AlertWork
from app.usecases.bulk_work import BulkWork
from app.usecases.delivery_upkeep import DeliveryUpkeep
from app.usecases.dispatch import Dispatcher
from app.usecases.form_watch import FormUpkeep
from app.usecases.recovery import Recovery
from app.usecases.retention import Retention
from app.usecases.service_watch import ServiceWatch
from app.usecases.totals import TotalsUpkeep
from app.usecases.zone_upkeep import ZoneUpkeep

logger = logging.getLogger("celeriac.maintenance")


class Maintenance:
    """Runs the maintenance of one process. `actor` is its name in histories. Not thread-safe.

    `zones` is for beat only: nothing fires without one.
    """

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        settings: Settings,
        actor: str,
        steps: ClockSteps | None = None,
        zones: ZoneUpkeep | None = None,
    ) -> None:
        self.recovery = Recovery(store, dispatcher, settings, actor, steps=steps)
        self.retention = Retention(store.retention, settings)
        self.alerts = AlertWork(store.alerts, settings.alert_default, actor)
        self.service = ServiceWatch(store, settings.alert_channels, settings.queue_late_after)
        self.bulks = BulkWork(store, dispatcher, settings, actor)
        self.deliveries = DeliveryUpkeep(store.deliveries, settings, self.recovery)
        self.form = FormUpkeep(store.form, actor)
        self.totals = TotalsUpkeep(store.totals, settings.metrics_tags)
        self._parts: tuple[Callable[[int], object], ...] = (
            self.recovery.watch_clock,
            self.recovery.complete_batches,
            self.recovery.expire,
            self.recovery.promote,
            self.recovery.mark_overdue,
            self.recovery.take_back_lost,
            self.recovery.drop_messages,
            self.recovery.resend_lost,
            self.deliveries.take_back_lost_tries,
            self.deliveries.trim,
            self.retention.run,
            self.totals.add_up,
            self.alerts.run,
            self.service.run,
            self.bulks.work_off,
            self.form.bring_up_to_date,
        )
        self.zones = zones
        if zones is not None:
            self._parts += (zones.work_off,)

    def begin_tick(self) -> None:
        """Call this in each tick of the process once Redis has taken a write, also in those that call no `run`."""
        self.recovery.outages.begin_tick()

    def run(self, now_ms: int) -> bool:
        """Run every part once. A failure of one part does not stop the others.

        Returns whether to run it again at once, since there is more to do. Raises Unavailable if Redis is unreachable.
        """
        self.recovery.is_busy = False
        for part in self._parts:
            try:
                part(now_ms)
            except Unavailable:
                raise
            except Exception:
                more = {"action": "maintenance_failed", "part": getattr(part, "__name__", str(part))}
                logger.exception("a maintenance step failed; the other steps continue", extra=more)
        self.recovery.outages.end_tick()
        may_be_busy = (self.bulks, self.recovery, self.zones)
        return any(part is not None and part.is_busy for part in may_be_busy)
