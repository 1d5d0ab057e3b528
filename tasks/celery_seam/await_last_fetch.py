"""The last step of Celery's consumer before it stops: what is still on its way here, is fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from queue import Empty
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from tasks.drain import Drain

#: kombu's BRPOP is answered within a second, by a message or by nothing.
ANSWER_SECONDS = 1.5


class AwaitLastFetch(bootsteps.StartStopStep):
    """kombu asks for a message by BRPOP, which the server answers within a second.

    A worker that stops meanwhile leaves that question open, and the message that answers it is lost: so it is waited
    for, and comes as any other. Then the drain is told. (Celery's own step, which cancels, comes after this one.)
    """

    requires = (Tasks,)
    find_drain: Callable[[], Drain | None]

    def stop(self, c: Any) -> None:
        """Called by Celery when the consumer's loop has ended, for a shutdown as for a new connection."""
        drain = self.find_drain()
        if drain is None or not drain.has_begun:
            return
        channel = getattr(c.task_consumer, "channel", None)
        if channel is not None and getattr(channel, "_in_poll", None):
            with contextlib.suppress(Empty, *channel.connection_errors):
                if channel.client.connection.can_read(ANSWER_SECONDS):
                    channel._brpop_read()  # kombu's own close does the same, at the very end
        drain.consumer_ended()
