"""The next firings after an update of the time zones: they were computed by the rules of before."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.clock import Clock
from app.domain.cron import CronError
from app.domain.status import ScheduleStatus
from app.store.schedules import Schedule, ScheduleFilters, ScheduleStore
from app.usecases.schedules import following_ms

logger = logging.getLogger("celeriac.zones")

#: Scheduled tasks per step, so that no other client of Redis waits longer than a few milliseconds.
STEP = 100
#: How long one round takes: firings wait for it.
ROUND_SECONDS = 0.25

_ACTIVE = ScheduleFilters(status=ScheduleStatus.ACTIVE)


@dataclass(slots=True)
class ZoneUpkeep:
    """Computes all next firings anew if that was last done with another version of the zones: once, when beat starts.

    The version is stored when all are done, so what a beat that is killed has begun, the next one does from the start.
    Any number of beats may do it at once. Not thread-safe.
    """

    store: ScheduleStore
    version: str
    clock: Clock
    steady: Callable[[], float] = time.monotonic
    is_busy: bool = False  # there is more to do at once
    _is_done: bool = False
    _cursor: str | None = None
    _changed: int = 0

    def work_off(self, _now_ms: int) -> None:
        """Take steps until all are done or the round is over. Sets `is_busy`."""
        self.is_busy = False
        deadline = self.steady() + ROUND_SECONDS
        if not self._is_done and self._cursor is None:
            self._is_done = self.store.zone_version() == self.version
        while not self._is_done and self.steady() < deadline:
            self._step()
        self.is_busy = not self._is_done

    def _step(self) -> None:
        page = self.store.page(_ACTIVE, STEP, self._cursor)
        now_ms = self.clock()  # read after the page, so that no firing before it is computed again
        is_last = page.cursor is None
        self._changed += self.store.retime(_moves(page.items, now_ms), now_ms, self.version if is_last else "")
        self._cursor, self._is_done = page.cursor, is_last
        if is_last:
            more = {"action": "zones_changed", "version": self.version, "changed": self._changed}
            logger.info("next firings follow the time zones %s; changed: %d", self.version, self._changed, extra=more)


def _moves(schedules: Sequence[Schedule], now_ms: int) -> list[tuple[Schedule, int | None]]:
    """Those whose next firing is another one by the present rules, with it. What is due already fires as planned."""
    found = []
    for schedule in schedules:
        is_cron = schedule.spec.get("cron_expression") is not None
        if is_cron and schedule.next_run_ms is not None and schedule.next_run_ms > now_ms:
            with suppress(CronError):  # its zone is gone: beat tells so when it is due
                next_run_ms = following_ms(schedule, now_ms)
                if next_run_ms != schedule.next_run_ms:
                    found.append((schedule, next_run_ms))
    return found
