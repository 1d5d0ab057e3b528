"""Celery's consumer, patient without end, but never for long at a time, and alone.

Workers need not know each other: what they share is in the records. So it neither looks for others at its start
(Mingle, a second) nor listens to them (Gossip, which fails where the connection is lost).
"""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer as CelerysConsumer
from celery.worker.state import maybe_shutdown

logger = logging.getLogger("celeriac.worker")

#: Pauses between tries to connect. Celery's own grow to half a minute, which a worker would be late by.
FIRST_PAUSE_SECONDS = 0.25
PAUSE_STEP_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0
#: Before the next try with a server that is there and refuses: full, a replica.
REFUSED_PAUSE_SECONDS = 2.0
#: The start of the warning that Celery gives at each loss of a connection, as a pattern.
SILENCED_WARNING = r"\s*In Celery 5\.1 we introduced"


class Consumer(CelerysConsumer):
    """Connects again within a second or two of Redis' return, however long it was away."""

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        options = {**(worker_options or {}), "without_mingle": True, "without_gossip": True}
        super().__init__(*args, worker_options=options, **kwargs)
        # At each loss of a connection Celery warns of a default that we have set (celery_app.py). It has asked for
        # such warnings when it started, so this comes after that.
        warnings.filterwarnings("ignore", SILENCED_WARNING, CPendingDeprecationWarning)

    def ensure_connected(self, conn: Any) -> Any:
        """Try until there is a connection, or the worker is told to end. It is said once, not at each try."""
        tries = 0

        def on_error(error: Exception, pause_seconds: float) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                more = {"action": "broker_away", "broker": conn.as_uri(), "reason": str(error)}
                logger.warning("the consumer can't reach redis; it tries until it can", extra=more)

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
            logger.info("the consumer has reached redis", extra={"action": "broker_back", "tries": tries})
        return connected

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """A new connection follows: at once where the old one was lost, after a pause where the server refuses."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, self.channel_errors):
            pause_until = time.monotonic() + REFUSED_PAUSE_SECONDS
            while time.monotonic() < pause_until:
                maybe_shutdown()
                time.sleep(FIRST_PAUSE_SECONDS)
