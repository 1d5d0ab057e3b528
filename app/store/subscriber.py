"""One connection per process that listens: for tasks that finish, for tasks to stop.

Theory of operation: a thread holds a pub/sub connection and hands each message on. Threads that wait for a task
subscribe to that task's own channel and sleep on an event, so nobody polls. They only ever write a few bytes to
a connection that stands: connecting, and waiting for a Redis that is away, is the one thread's alone, so no
caller is held up by it. A connection that is silent is asked for a sign of life, and given up without one.

Pub/sub forgets what was said while the connection was away; therefore every listener is called as if something
had happened when the connection is lost, and again when Redis has confirmed its channel on the next one. It then
looks at the record, which is the truth.
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

#: Called with the message, or with None where something may have been missed.
Listener = Callable[[str | None], None]
_RECONNECT_PAUSE_SECONDS = 0.5
#: A connection that was silent for so long is asked for a sign of life, which may take so long.
_SILENCE_SECONDS = 1.0
_SIGN_OF_LIFE_SECONDS = 1.5
#: With the time that a look at the record may take, a call stays within its 2 seconds.
_CONFIRM_TIMEOUT_SECONDS = 1.0


class Watch:
    """A thread's wait for one channel."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def notify(self, _: str | None) -> None:
        """Wake the waiting thread."""
        self._event.set()

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until something happened; False when the time is over."""
        happened = self._event.wait(timeout_seconds)
        self._event.clear()
        return happened


class Subscriber:
    """Channels and who listens to them. Thread-safe; connects at the first subscription."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._confirmed: dict[str, threading.Event] = {}
        self._asked: Counter[str] = Counter()  # subscriptions of this connection that Redis has not confirmed yet
        self._told: set[str] = set()  # channels whose listeners hear None once they are confirmed
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def subscribe(self, channel: str, listener: Listener) -> threading.Event:
        """Call `listener` for every message from now on. The event is set while Redis has confirmed. Never waits."""
        with self._lock:
            confirmed = self._confirmed.setdefault(channel, threading.Event())
            self._listeners[channel].append(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)
                self._thread.start()
            if len(self._listeners[channel]) == 1:
                self._send("SUBSCRIBE", channel)
        return confirmed

    def unsubscribe(self, channel: str, listener: Listener) -> None:
        """The opposite."""
        with self._lock:
            listeners = self._listeners[channel]
            listeners.remove(listener)
            if not listeners:
                del self._listeners[channel]
                self._confirmed.pop(channel, None)
                self._told.discard(channel)
                self._send("UNSUBSCRIBE", channel)

    @contextmanager
    def watch(self, channel: str) -> Iterator[Watch]:
        """A Watch on `channel`: what is said from the confirmation on wakes it."""
        watch = Watch()
        self.subscribe(channel, watch.notify)
        try:
            yield watch
        finally:
            self.unsubscribe(channel, watch.notify)

    def is_confirmed(self, channel: str) -> bool:
        """Whether Redis has confirmed the subscription: whatever is said from now on will be heard."""
        with self._lock:
            confirmed = self._confirmed.get(channel)
        return confirmed is not None and confirmed.is_set()

    def confirm(self, channel: str, timeout_seconds: float = _CONFIRM_TIMEOUT_SECONDS) -> bool:
        """Wait until Redis has confirmed the subscription; False when it does not answer in time."""
        with self._lock:
            confirmed = self._confirmed.get(channel)
        return confirmed is not None and confirmed.wait(timeout_seconds)

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with self._lock:
            if self._connection is not None:
                self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _send(self, *words: str) -> None:
        """Write to a connection that stands, with the lock held; else the thread says it when there is one."""
        if self._connection is None:
            return
        if words[0] == "SUBSCRIBE":
            self._asked.update(words[1:])
        try:
            self._connection.send_command(*words, check_health=False)  # type: ignore[no-untyped-call]
        except (redis.RedisError, OSError):
            self._connection = None  # the thread gives it up, and makes another
            logger.debug("redis is away", extra={"action": "subscribe_deferred"})

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        """Until it is closed. Nothing ends this thread but that: who waits would never be woken again."""
        while not self._closed.is_set():
            connection = None
            try:
                connection = self._connect()
                self._listen(connection)
            except Exception as error:
                # Whoever closes, or gives the connection up after a failed write, pulls it from under the read.
                if not (self._is_given_up(connection) or isinstance(error, redis.RedisError | OSError)):
                    logger.exception("the subscriber failed; it goes on", extra={"action": "subscriber_failed"})
            finally:
                self._give_up(connection)
            self._closed.wait(_RECONNECT_PAUSE_SECONDS)

    def _is_given_up(self, connection: Connection | None) -> bool:
        """Whether somebody else has closed the connection, or is at it: he holds the lock meanwhile."""
        with self._lock:
            return self._closed.is_set() or self._connection is not connection

    def _connect(self) -> Connection:
        """A connection with every channel."""
        connection: Connection = self._client.connection_pool.get_connection()
        with self._lock:
            self._connection = connection
            self._asked.clear()
            if self._listeners:
                self._send("SUBSCRIBE", *self._listeners)
        return connection

    def _give_up(self, connection: Connection | None) -> None:
        """Give the connection back, and tell everybody that something may be missed from now on."""
        with self._lock:
            self._connection = None
            for confirmed in self._confirmed.values():
                confirmed.clear()
            channels = list(self._listeners)
            self._told.update(channels)
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]
            self._client.connection_pool.release(connection)
        for channel in channels:
            self._dispatch(channel, None)

    def _listen(self, connection: Connection) -> None:
        """Hand on what comes, until the connection is given up or does not show that it lives."""
        asked = False
        while self._connection is connection and not self._closed.is_set():
            if connection.can_read(timeout=_SIGN_OF_LIFE_SECONDS if asked else _SILENCE_SECONDS):
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
            self._asked[channel] -= 1
            if self._asked[channel] > 0:
                return  # of one that was ended meanwhile: the confirmation of the newest is to come
            del self._asked[channel]
            confirmed = self._confirmed.get(channel)
            is_again = channel in self._told
            self._told.discard(channel)
        if confirmed is not None:
            confirmed.set()
        if is_again:
            self._dispatch(channel, None)

    def _dispatch(self, channel: str, data: str | None) -> None:
        with self._lock:
            listeners = list(self._listeners.get(channel, ()))
        for listener in listeners:
            listener(data)
