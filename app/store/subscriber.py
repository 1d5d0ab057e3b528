"""One pub/sub connection per process, for notifications of finished tasks and of tasks to stop.

Theory of operation: a thread owns the connection and passes each message to the listeners of its channel. Threads
that wait for a task subscribe to that task's channel and sleep on an event, so nothing polls. They only write a few
bytes to an established connection. Connecting, and waiting for an unavailable Redis, is left to the one thread, so it
never blocks a caller. A silent connection is pinged, and closed if it does not respond.

Pub/sub drops messages that are published while the connection is down. Therefore every listener is called with None
when the connection is lost, and again when Redis has confirmed its channel on the next connection. The listener then
reads the record, which is authoritative.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.connection import Connection

from app.store.client import Client

logger = logging.getLogger("celeriac.store")

#: Called with the message, or with None if messages may have been missed.
Listener = Callable[[str | None], None]
_RECONNECT_PAUSE_SECONDS = 0.5
#: A connection is pinged after this silence, and closed if it does not respond within the ping timeout.
_SILENCE_SECONDS = 1.0
_PING_TIMEOUT_SECONDS = 1.5
#: Together with the time to read the record, a call stays within its 2 seconds.
_CONFIRM_TIMEOUT_SECONDS = 1.0


class Watch:
    """Lets a thread wait for one channel. `ending` is set when nobody should wait any longer."""

    def __init__(self, ending: threading.Event | None = None) -> None:
        self._event = threading.Event()
        self._ending = ending

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end. Whoever looks before each wait does not outlast it."""
        return self._ending is not None and self._ending.is_set()

    def notify(self, _: str | None) -> None:
        """Wake the waiting thread."""
        self._event.set()

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until a notification arrives; False if the timeout elapses first."""
        happened = self._event.wait(timeout_seconds)
        self._event.clear()
        return happened


class Subscriber:
    """Channels and their listeners. Thread-safe; connects at the first subscription."""

    def __init__(self, client: Client) -> None:
        self.ending = threading.Event()
        self._client = client
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._confirmed: dict[str, threading.Event] = {}
        self._unconfirmed: Counter[str] = Counter()  # subscriptions of this connection
        self._interrupted: set[str] = set()  # channels whose listeners get None once they are confirmed
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def subscribe(self, channel: str, listener: Listener) -> threading.Event:
        """Call `listener` for every message from now on. Never blocks.

        The event is set while the subscription is confirmed by Redis.
        """
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="subscriber", daemon=True)
                thread.start()  # where that fails, the next subscription tries again
                self._thread = thread
            confirmed = self._confirmed.setdefault(channel, threading.Event())
            self._listeners[channel].append(listener)
            if len(self._listeners[channel]) == 1:
                self._send("SUBSCRIBE", channel)
        return confirmed

    def unsubscribe(self, channel: str, listener: Listener) -> None:
        """Stop calling `listener` for messages of `channel`."""
        with self._lock:
            listeners = self._listeners[channel]
            listeners.remove(listener)
            if not listeners:
                del self._listeners[channel]
                self._confirmed.pop(channel, None)
                self._interrupted.discard(channel)
                self._send("UNSUBSCRIBE", channel)

    @contextmanager
    def watch(self, channel: str) -> Iterator[Watch]:
        """A Watch on `channel`. Messages wake it once Redis has confirmed the subscription."""
        watch = Watch(self.ending)
        self.subscribe(channel, watch.notify)
        try:
            yield watch
        finally:
            self.unsubscribe(channel, watch.notify)

    def is_confirmed(self, channel: str) -> bool:
        """Whether Redis has confirmed the subscription, so that no further message is missed."""
        with self._lock:
            confirmed = self._confirmed.get(channel)
        return confirmed is not None and confirmed.is_set()

    def confirm(self, channel: str, timeout_seconds: float = _CONFIRM_TIMEOUT_SECONDS) -> bool:
        """Wait until Redis has confirmed the subscription; False if the timeout elapses first."""
        with self._lock:
            confirmed = self._confirmed.get(channel)
        return confirmed is not None and confirmed.wait(timeout_seconds)

    def end_waits(self) -> None:
        """Have all who wait look at the record once more, and wait no longer."""
        self.ending.set()
        with self._lock:
            channels = list(self._listeners)
        for channel in channels:
            self._dispatch(channel, None)

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with self._lock:
            if self._connection is not None:
                self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _send(self, *words: str) -> None:
        """Write to the connection, with the lock held. Without one, the thread subscribes when it connects."""
        if self._connection is None:
            return
        if words[0] == "SUBSCRIBE":
            self._unconfirmed.update(words[1:])
        try:
            self._connection.send_command(*words, check_health=False)  # type: ignore[no-untyped-call]
        except (redis.RedisError, OSError):
            self._connection = None  # the thread closes it and opens another
            logger.debug("redis is unavailable", extra={"action": "subscribe_deferred"})

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        """Run until closed. No error may end this thread: waiting threads would never be woken again."""
        while not self._closed.is_set():
            connection = None
            try:
                connection = self._connect()
                self._listen(connection)
            except Exception as error:
                # A read fails if another thread closed the subscriber, or dropped the connection after a failed write.
                if not (self._is_given_up(connection) or isinstance(error, redis.RedisError | OSError)):
                    logger.exception("the subscriber failed; it reconnects", extra={"action": "subscriber_failed"})
            finally:
                self._give_up(connection)
            self._closed.wait(_RECONNECT_PAUSE_SECONDS)

    def _is_given_up(self, connection: Connection | None) -> bool:
        """Whether another thread has dropped the connection, or is doing so (it holds the lock meanwhile)."""
        with self._lock:
            return self._closed.is_set() or self._connection is not connection

    def _connect(self) -> Connection:
        """Open a connection and subscribe to every channel."""
        connection: Connection = self._client.connection_pool.get_connection()
        with self._lock:
            self._connection = connection
            self._unconfirmed.clear()
            if self._listeners:
                self._send("SUBSCRIBE", *self._listeners)
        return connection

    def _give_up(self, connection: Connection | None) -> None:
        """Release the connection, and notify all listeners that messages may be missed from now on."""
        with self._lock:
            self._connection = None
            for confirmed in self._confirmed.values():
                confirmed.clear()
            channels = list(self._listeners)
            self._interrupted.update(channels)
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]
            self._client.connection_pool.release(connection)
        for channel in channels:
            self._dispatch(channel, None)

    def _listen(self, connection: Connection) -> None:
        """Pass messages on until the connection is dropped or fails to respond to a ping."""
        asked = False
        while self._connection is connection and not self._closed.is_set():
            if connection.can_read(timeout=_PING_TIMEOUT_SECONDS if asked else _SILENCE_SECONDS):
                self._handle(connection.read_response(disconnect_on_error=False, push_request=True))
                asked = False
            elif asked:
                raise redis.TimeoutError("the subscriber's connection is silent")
            else:
                with self._lock:
                    self._send("PING")
                asked = True

    def _handle(self, reply: Any) -> None:
        if not isinstance(reply, list):  # a PONG
            return
        kind, channel, data = reply if len(reply) == 3 else ("", "", None)
        if kind == "subscribe":
            self._on_confirmed(channel)
        elif kind == "message":
            self._dispatch(channel, data)

    def _on_confirmed(self, channel: str) -> None:
        with self._lock:
            self._unconfirmed[channel] -= 1
            if self._unconfirmed[channel] > 0:
                return  # an earlier subscription, ended meanwhile; the newest one is still unconfirmed
            del self._unconfirmed[channel]
            confirmed = self._confirmed.get(channel)
            is_again = channel in self._interrupted
            self._interrupted.discard(channel)
        if confirmed is not None:
            confirmed.set()
        if is_again:
            self._dispatch(channel, None)

    def _dispatch(self, channel: str, data: str | None) -> None:
        with self._lock:
            listeners = list(self._listeners.get(channel, ()))
        for listener in listeners:
            listener(data)
