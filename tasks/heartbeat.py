"""A worker's background threads: its heartbeat, stops, lease renewal, and maintenance while no beat is alive."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from app.clock import Clock
from app.domain.errors import Unavailable
from app.store.store import Store
from app.usecases.clock_check import ClockCheck
from app.usecases.maintenance import Maintenance
from tasks.leases.in_flight import InFlight
from tasks.leases.renewal import Renewal
from tasks.outage_log import OutageLog
from tasks.watchdog import Watchdog

logger = logging.getLogger("celeriac.worker")

TICK_SECONDS = 1.0
ALIVE_EVERY_SECONDS = 2.0
BUSY_PAUSE_SECONDS = 0.01


class Heartbeat:
    """Runs until `stop`. It outlasts an outage of Redis, which it logs once."""

    def __init__(
        self,
        store: Store,
        in_flight: InFlight,
        maintenance: Maintenance,
        hostname: str,
        facts: Callable[[], dict[str, Any]],
        lease_seconds: float,
        watchdog: Watchdog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._maintenance = maintenance
        self._hostname = hostname
        self._facts = facts
        self._renewal = Renewal(store.tasks, in_flight, lease_seconds, clock)
        self._pause_seconds = min(TICK_SECONDS, lease_seconds / 4)
        self._watchdog = watchdog
        self._clock = clock
        self._clock_check = ClockCheck(store.liveness, clock)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._last_report = float("-inf")
        self._is_busy = False  # the maintenance has more work waiting

    def start(self) -> None:
        """Subscribe to stops and start the threads."""
        self._store.subscriber.subscribe(self._store.keys.stop, self._on_stop)
        self._renewal.start()
        self._thread.start()

    def stop(self) -> None:
        """End the threads and sign the worker off."""
        self._stopped.set()
        self._thread.join(TICK_SECONDS + 5)
        self._renewal.stop()
        try:
            self._store.liveness.worker_gone(self._hostname)
        except Unavailable:
            logger.debug("can't sign off: Redis can't be reached", extra={"action": "sign_off_failed"})

    def _run(self) -> None:
        log = OutageLog(logger)
        while not self._stopped.wait(BUSY_PAUSE_SECONDS if self._is_busy else self._pause_seconds):
            try:
                self._tick()
            except Unavailable as error:
                log.away(error)
                self._watchdog.redis_is_away()
                continue
            except Exception:  # a defect in one part must not stop the others
                logger.exception("the heartbeat failed; trying again", extra={"action": "heartbeat_failed"})
                continue
            log.back()

    def _tick(self) -> None:
        self._is_busy = False  # reset first, since a call below may fail
        now = time.monotonic()
        if now - self._last_report >= ALIVE_EVERY_SECONDS:
            self._store.liveness.worker_alive(self._hostname, self._facts(), self._clock())
            self._last_report = now
            self._clock_check.look()
        self._maintenance.begin_tick()
        self._watchdog.check(time.monotonic())
        self._is_busy = not self._beat_is_alive() and self._maintenance.run(self._clock())

    def _beat_is_alive(self) -> bool:
        beat = self._store.liveness.last_beat()
        return beat is not None and beat.is_alive(self._clock())

    def _on_stop(self, task_id: str | None) -> None:
        """Stop a task; after a reconnect (None) a stop may have been missed, and the records tell which."""
        if task_id is not None:
            self._in_flight.cancel(task_id)
        else:
            self._renewal.renew_soon()
