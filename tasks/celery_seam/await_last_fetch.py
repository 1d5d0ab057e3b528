"""A boot step that reads the answer to the consumer's last BRPOP before the consumer stops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from queue import Empty
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from tasks.drain import Drain

#: The server answers kombu's BRPOP within a second, with a message or with nothing.
ANSWER_SECONDS = 1.5


class AwaitLastFetch(bootsteps.StartStopStep):
    """Keeps a stopping worker from losing the message that answers its last BRPOP.

    kombu asks for a message with BRPOP, which the server answers within a second. If the worker stops before the
    answer arrives, nobody reads that message. So this step waits for the answer, has kombu deliver the message as
    usual, and then tells the drain that the consumer has ended. Celery's own step, which cancels the consumer, stops
    after this one.
    """

    requires = (Tasks,)
    find_drain: Callable[[], Drain | None]

    def stop(self, c: Any) -> None:
        """Celery calls this when the consumer's loop has ended, be it for a shutdown or for a reconnect."""
        drain = self.find_drain()
        if drain is None:
            return
        if c.blueprint.state == bootsteps.CLOSE:  # also where no signal has begun the drain: `celery control shutdown`
            drain.begin()
        if not drain.has_begun:
            return
        channel = getattr(c.task_consumer, "channel", None)
        if channel is not None and getattr(channel, "_in_poll", None):
            with contextlib.suppress(Empty, *channel.connection_errors):
                if channel.client.connection.can_read(ANSWER_SECONDS):
                    channel._brpop_read()  # kombu's own close does the same, at the very end
        drain.consumer_ended()
