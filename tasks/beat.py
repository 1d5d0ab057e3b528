"""Beat: fires due schedules, sends delayed tasks when they come due, and recovers lost ones.

This is a `celery.beat.Scheduler` whose schedule is the store. Any number of beats may run at once; all of them work
and none needs a lock, because a firing is taken by compare-and-set on its time and its task's id is derived from that
time.

Beat sleeps until the next firing, for a tick at most. A schedule that is created or resumed meanwhile may be due
earlier, so the script that writes it publishes a message that wakes beat.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from typing import Any

from celery.beat import Scheduler

from app.clock import ClockSteps, system_clock
from app.domain.cron import zone_version
from app.domain.errors import Full, OtherForm, Unavailable
from app.launch.processes import EXIT_NEWER_DATA
from app.messaging.encoder import MessageEncoder
from app.settings import Settings, read_settings
from app.store.store import Store
from app.store.subscriber import Watch
from app.usecases.admission import Admission
from app.usecases.channels import ChannelService
from app.usecases.clock_check import ClockCheck
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from app.usecases.form_watch import FormWatch
from app.usecases.maintenance import Maintenance
from app.usecases.redis_checks import check_at_start
from app.usecases.zone_upkeep import ZoneUpkeep
from tasks.deliveries.making import make_courier
from tasks.deliveries.stand_in import StandIn
from tasks.heartbeat_call import HeartbeatCall
from tasks.outage_log import OutageLog
from tasks.runtime import open_store

logger = logging.getLogger("celeriac.beat")

TICK_SECONDS = 1.0
SCHEDULES_PER_BATCH = 2_000
BATCHES_PER_TICK = 2

_ROOM = {
    False: ("no room for more tasks; firings are put off", "firings_put_off"),
    True: ("there is room again; firings resume", "firings_go_on"),
}


def _warn_of_missing_channels(settings: Settings, store: Store) -> None:
    """A notice to such a channel fails, which its operator would learn only when something else has failed."""
    rule = settings.alert_default
    named = {"ALERT_CHANNELS": settings.alert_channels, "ALERT_DEFAULT": () if rule is None else rule.channels}
    channels = ChannelService(store.channels, store.deliveries, settings.channels_file, system_clock)
    try:
        missing = {setting: channels.unknown(names) for setting, names in named.items()}
    except Unavailable:  # beat waits for Redis, and does without this
        return
    for setting, names in missing.items():
        if names:
            fields = {"action": "channels_missing", "channels": ", ".join(names)}
            logger.warning("%s names channels that do not exist; create them, or nobody is told", setting, extra=fields)


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class StoreScheduler(Scheduler):
    """The scheduler of our beats. Its ticks do the waiting, so that Celery's loop never sleeps."""

    def setup_schedule(self) -> None:
        """Open the store; Celery calls this when beat starts."""
        settings = read_settings()
        self._store = open_store(settings, max_connections=4 + settings.callback_concurrency)
        dispatcher = Dispatcher(MessageEncoder(self._store.keys), settings.countdown_horizon)
        self._admission = Admission(self._store.admission, settings.max_queued_tasks)
        self._firing = FiringService(self._store, dispatcher, system_clock, has_room=self._admission.has_room)
        check_at_start(self._store.liveness)
        self._form = FormWatch(self._store.form, system_clock, _end_process)
        try:
            self._form.wait()
        except OtherForm:  # why, has been logged
            raise SystemExit(EXIT_NEWER_DATA) from None
        self._name = f"beat@{socket.gethostname()}:{os.getpid()}"
        self._clock_check = ClockCheck(self._store.liveness, system_clock)
        zones = ZoneUpkeep(self._store.schedules, zone_version(), system_clock)
        steps = ClockSteps(system_clock())
        self._maintenance = Maintenance(self._store, dispatcher, settings, self._name, steps, zones)
        self._watch = Watch()
        self._store.subscriber.subscribe(self._store.keys.beat, self._watch.notify)
        self._outage_log = OutageLog(logger)
        self._has_room = True
        _warn_of_missing_channels(settings, self._store)
        self._heartbeat_call = HeartbeatCall(settings, self._store, system_clock)
        self._heartbeat_call.start()
        stand_in = StandIn(self._store.liveness, system_clock)
        self._courier = make_courier(settings, self._store, stand_in.is_needed, system_clock)
        self._courier.start()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do a round of work, then sleep until the next firing, a message from the store, or the end of the tick."""
        if not self._form.is_watching:  # not before: Celery takes an end before the first tick for one without a reason
            self._form.start()
        try:
            self._work()
        except Unavailable as error:
            self._outage_log.away(error)
            self._watch.wait(TICK_SECONDS)
            return 0.0
        except Exception:  # a defect in one part must not stop the others; the next tick tries again
            logger.exception("beat failed; trying again", extra={"action": "beat_failed"})
            self._watch.wait(TICK_SECONDS)
            return 0.0
        self._outage_log.back()
        return 0.0

    def _work(self) -> None:
        self._store.liveness.beat_ticked(self._name, system_clock())
        self._maintenance.begin_tick()
        self._clock_check.look()
        try:
            self._fire()
        except Exception:  # a schedule that can't be fired must not keep maintenance from running; the end of beat must
            self._maintenance.run(system_clock())
            raise
        is_busy = self._maintenance.run(system_clock())
        self._watch.wait(0.0 if is_busy else self._seconds_to_next())

    def _fire(self) -> None:
        """Take due firings, or put them off while there is no room for their tasks; other work goes on meanwhile."""
        try:
            has_room = self._admission.has_room(system_clock())
            if has_room:
                self._take_due()
        except Full:
            has_room = False
        if has_room != self._has_room:
            message, action = _ROOM[has_room]
            logger.log(logging.INFO if has_room else logging.WARNING, message, extra={"action": action})
            self._has_room = has_room

    def _take_due(self) -> None:
        for _ in range(BATCHES_PER_TICK):
            if self._firing.fire_due(SCHEDULES_PER_BATCH) < SCHEDULES_PER_BATCH:
                break
            self._store.liveness.beat_ticked(self._name, system_clock())

    def _seconds_to_next(self) -> float:
        next_ms = self._store.firings.next_due_ms()
        if next_ms is None or not self._has_room:
            return TICK_SECONDS
        return min(max((next_ms - system_clock()) / 1000, 0.0), TICK_SECONDS)

    def sync(self) -> None:
        """Write nothing: the store is the schedule."""

    def close(self) -> None:
        """Sign this beat off and close the store. Ends the process with a status of its own if the data is newer."""
        self._heartbeat_call.stop()
        self._courier.stop()
        self._form.stop()
        try:
            self._store.liveness.beat_gone(self._name)
        except Unavailable:
            logger.debug("can't sign off: Redis can't be reached", extra={"action": "sign_off_failed"})
        self._store.close()
        if self._form.found_newer:
            raise SystemExit(EXIT_NEWER_DATA)

    @property
    def info(self) -> str:
        """The line about the schedule in Celery's banner."""
        return "    . store -> app/store/schedules.py"
