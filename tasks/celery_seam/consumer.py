"""Celery's consumer, which retries for ever with short pauses and ignores other workers.

Workers need not know each other, since everything they share is in the records. So this consumer neither searches for
others when it starts (Mingle, which takes a second) nor listens to them (Gossip, which fails when the connection is
lost).
"""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown

from tasks.celery_seam.request import Request

logger = logging.getLogger("celeriac.worker")

#: Pauses between attempts to connect. Celery's own grow to half a minute, by which a worker would be late.
FIRST_PAUSE_SECONDS = 0.25
PAUSE_STEP_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0
#: Pause before reconnecting to a server that answers with a refusal because it is full or a replica.
REFUSED_PAUSE_SECONDS = 2.0
#: A pattern for the start of the warning that Celery gives each time it loses a connection.
SILENCED_WARNING = r"\s*In Celery 5\.1 we introduced"


class Consumer(CeleryConsumer):
    """Reconnects within a second or two of Redis' return, however long Redis was away."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        options = {**(worker_options or {}), "without_mingle": True, "without_gossip": True}
        super().__init__(*args, worker_options=options, **kwargs)
        # Each time it loses a connection, Celery warns about the default of a setting that we do set (celery_app.py).
        # Celery turns such warnings on while it starts, so this filter has to come later.
        warnings.filterwarnings("ignore", SILENCED_WARNING, CPendingDeprecationWarning)

    def ensure_connected(self, conn: Any) -> Any:
        """Try until there is a connection or the worker is told to stop. Only the first failure is logged."""
        tries = 0

        def on_error(error: Exception, pause_seconds: float) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                fields = {"action": "broker_away", "broker": conn.as_uri(), "reason": str(error)}
                logger.warning("the consumer can't reach Redis and keeps trying", extra=fields)

        connected = conn.ensure_connection(
            on_error,
            None,
            interval_start=FIRST_PAUSE_SECONDS,
            interval_step=PAUSE_STEP_SECONDS,
            interval_max=LONGEST_PAUSE_SECONDS,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        if tries:
            logger.info("the consumer has reached Redis", extra={"action": "broker_back", "tries": tries})
        return connected

    def apply_eta_task(self, task: Any) -> None:
        """Give a countdown that is due to the pool, where threads that would go on with a backlog make room for it."""
        if isinstance(task, Request):
            task.wait_for_thread()
        super().apply_eta_task(task)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Reconnect at once if the connection was lost, or after a pause if the server refuses commands."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, self.channel_errors):
            pause_until = time.monotonic() + REFUSED_PAUSE_SECONDS
            while time.monotonic() < pause_until:
                maybe_shutdown()
                time.sleep(FIRST_PAUSE_SECONDS)
