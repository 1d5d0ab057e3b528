"""Calls HEARTBEAT_URL each minute while all is well, so that a watcher outside notices when the calls stop."""

from __future__ import annotations

import logging
import threading

from app.clock import Clock
from app.domain.errors import Unavailable
from app.settings import Settings
from app.store.store import Store
from app.usecases.service_watch import ServiceWatch
from tasks.executors.client import USER_AGENT, make_client
from tasks.http import CallError, Request

logger = logging.getLogger("celeriac.beat")

EVERY_SECONDS = 60.0
LOOK_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1_024


class HeartbeatCall:
    """A thread of beat, from `start` to `stop`. Of several beats, one calls in each minute."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._url = settings.heartbeat_url
        self._store = store
        self._watch = ServiceWatch(store, settings.alert_channels, settings.queue_late_after)
        self._clock = clock
        self._client = make_client(settings, MAX_ANSWER_BYTES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat-call", daemon=True)
        self._has_failed = False

    def start(self) -> None:
        """Start calling, if there is a URL."""
        if self._url:
            self._thread.start()

    def stop(self) -> None:
        """End; a call in flight is not awaited."""
        self._stopped.set()
        self._client.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.call_if_well()
            except Unavailable:
                logger.debug("no heartbeat call: Redis can't be reached", extra={"action": "heartbeat_left_out"})
            except Exception:  # a defect must not end the thread
                logger.exception("the heartbeat call failed", extra={"action": "heartbeat_defect"})
            self._stopped.wait(LOOK_SECONDS)

    def call_if_well(self) -> bool:
        """Make the call of this minute, unless something is wrong or another beat has made it."""
        now_ms = self._clock()
        if not self._store.alerts.is_call_due() or self._watch.findings(now_ms):
            return False
        if not self._store.alerts.take_call(now_ms, round((EVERY_SECONDS - LOOK_SECONDS) * 1000)):
            return False
        headers = {"User-Agent": USER_AGENT}
        try:
            answer = self._client.call(Request("GET", self._url, headers, {}, None, TIMEOUT_SECONDS))
        except CallError as error:
            self._tell(f"{error.type}: {error.message}")
            return False
        self._tell("" if answer.status_code < 300 else f"the answer is {answer.status_code}")
        return answer.status_code < 300

    def _tell(self, failure: str) -> None:
        """Log the first failure, and the first success after it. The URL may contain a secret, so it is left out."""
        if failure and not self._has_failed:
            extra = {"action": "heartbeat_not_called", "reason": failure}
            logger.warning("HEARTBEAT_URL could not be called; trying again each minute", extra=extra)
        elif self._has_failed and not failure:
            logger.info("HEARTBEAT_URL could be called again", extra={"action": "heartbeat_called"})
        self._has_failed = bool(failure)
