"""kombu's Redis transport, as Celery's consumer uses it, with what we need to know and to leave out.

- What is fetched, asked for or not asked for is noted, so that a consumer that stands still is found out
  (tasks/watchdog.py). Celery is known to live on and fetch nothing after a lost connection.
- Messages that were fetched and not executed are not put back by kombu: the drain gives them back, and the recovery
  sends again what was lost. kombu's own way ends in "UNABLE TO RESTORE" and a file in /tmp where Redis is away.
- A server that refuses to be asked (a replica, one that is half way up) is one that has to be connected to again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any

from kombu.transport import redis, virtual

from tasks.celery_seam.last_fetch import last_fetch

logger = logging.getLogger("celeriac.worker")


class QoS(virtual.QoS):
    """How many messages may be held at once."""

    def can_consume(self) -> bool:
        """Asked at each turn of the consumer's loop. A worker that is full fetches nothing, and works."""
        may = bool(super().can_consume())
        if not may:
            last_fetch.seen()
        return may


class _Watched:
    """What both channels have in common."""

    do_restore = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.QoS = QoS

    def _queue_bind(self, *args: Any) -> None:
        self._unless_full(partial(super()._queue_bind, *args))  # type: ignore[misc]

    def maybe_refresh_binding_expiry(self) -> None:
        self._unless_full(super().maybe_refresh_binding_expiry)  # type: ignore[misc]

    def _unless_full(self, write: Callable[[], None]) -> None:
        """Write kombu's table of queues; where the memory is full, go on without.

        Our messages are put on their lists by the store, which asks no table. A worker that could not start while Redis
        is full would keep it full.
        """
        try:
            write()
        except self.ResponseError as error:  # type: ignore[attr-defined]
            if "maxmemory" not in str(error):
                raise
            logger.debug("redis is full; the worker fetches all the same", extra={"action": "binding_refused"})

    def _brpop_read(self, **options: Any) -> Any:
        try:
            answer = super()._brpop_read(**options)  # type: ignore[misc]
        except Empty:
            last_fetch.seen()
            raise
        except self.ResponseError:  # type: ignore[attr-defined]
            # Else kombu asks it again at once, and again. The consumer connects anew, after a pause.
            self.client.connection.disconnect()  # type: ignore[attr-defined]
            raise
        last_fetch.seen()
        return answer


class Channel(_Watched, redis.Channel):
    """On one server."""


class SentinelChannel(_Watched, redis.SentinelChannel):
    """On the master that Sentinels name."""


class Transport(redis.Transport):
    """`redis://`, `rediss://`, `redis+socket://`"""

    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    """`sentinel://`"""

    Channel = SentinelChannel
