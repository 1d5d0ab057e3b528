"""kombu's Redis transport for Celery's consumer, changed in four ways.

- It records each fetch, so that the watchdog notices a consumer that has stalled (tasks/watchdog.py). Celery is known
  to stay alive and fetch nothing after it has lost a connection.
- It fetches nothing from a queue for whose tasks the worker has no place, though it has a thread.
- It does not put back messages that were fetched and not executed: the drain gives them back, and recovery sends lost
  ones again. When Redis is away, kombu's own attempt ends in "UNABLE TO RESTORE" and a file in /tmp.
- It connects again when the server refuses to be asked, as a replica or a server that is still starting does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any

from kombu.asynchronous import get_event_loop
from kombu.transport import redis, virtual

from tasks.celery_seam.last_fetch import last_fetch
from tasks.celery_seam.room import room

logger = logging.getLogger("celeriac.worker")

#: For how long messages of some queues are waited for. So long it may take until a place that has become free is
#: noticed, but only where nothing was queued: otherwise the thread that has left it takes its next task itself.
PART_SECONDS = 0.05


class QoS(virtual.QoS):
    """The limit on messages held at once."""

    def can_consume(self) -> bool:
        """Whether there is room for another message; kombu asks on each turn of the consumer's loop.

        A full worker fetches nothing, yet it has not stalled, so the moment counts as a fetch.
        """
        has_room = bool(super().can_consume())
        if not has_room:
            last_fetch.record()
        return has_room


class _RecordedChannel:
    """The changes to a channel, shared by the plain and the Sentinel one."""

    do_restore = False
    _queue_cycle: Any
    _turns_soon = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.QoS = QoS

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """kombu's, but redis-py does not name itself to Redis: an ACL would have to allow CLIENT SETINFO."""
        return {**super()._connparams(asynchronous), "driver_info": None}  # type: ignore[misc]

    def _queue_bind(self, *args: Any) -> None:
        self._unless_full(partial(super()._queue_bind, *args))  # type: ignore[misc]

    def maybe_refresh_binding_expiry(self) -> None:
        self._unless_full(super().maybe_refresh_binding_expiry)  # type: ignore[misc]

    def _unless_full(self, write: Callable[[], None]) -> None:
        """Write kombu's table of queues, or go on without it when Redis is out of memory.

        The table is not needed: the store puts our messages on their lists without looking at it. And a worker that
        could not start while Redis is full would keep Redis full.
        """
        try:
            write()
        except self.ResponseError as error:  # type: ignore[attr-defined]
            if "maxmemory" not in str(error):
                raise
            logger.debug(
                "Redis is full; the worker fetches without registering its queues",
                extra={"action": "binding_refused"},
            )

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for a message of the queues for whose tasks there is a place. If there are none, look again soon."""
        full, every = room.full(), self._queue_cycle
        if not full:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        some = [queue for queue in every.items if queue not in full]
        if not some:
            last_fetch.record()
            self._turn_soon()
            return
        self._queue_cycle = type(every)(some)
        try:
            super()._brpop_start(PART_SECONDS)  # type: ignore[misc]
        finally:
            self._queue_cycle = every

    def _turn_soon(self) -> None:
        """Have the consumer's loop turn, which otherwise does so each second, or when there is something to read."""
        loop = get_event_loop()
        if loop is not None and not self._turns_soon:
            self._turns_soon = True
            loop.call_later(PART_SECONDS, self._turn)

    def _turn(self) -> None:
        self._turns_soon = False

    def _brpop_read(self, **options: Any) -> Any:
        try:
            answer = super()._brpop_read(**options)  # type: ignore[misc]
        except Empty:
            last_fetch.record()
            raise
        except self.ResponseError:  # type: ignore[attr-defined]
            # Otherwise kombu would ask again at once, over and over. The consumer reconnects after a pause.
            self.client.connection.disconnect()  # type: ignore[attr-defined]
            raise
        last_fetch.record()
        return answer


class Channel(_RecordedChannel, redis.Channel):
    """A channel to a single server."""


class SentinelChannel(_RecordedChannel, redis.SentinelChannel):
    """A channel to the master that the Sentinels name."""


class Transport(redis.Transport):
    """The transport for `redis://`, `rediss://` and `redis+socket://`."""

    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    """The transport for `sentinel://`."""

    Channel = SentinelChannel
