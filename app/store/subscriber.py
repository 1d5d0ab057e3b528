"""One connection per process that listens: for tasks that finish, for tasks to stop.

Theory of operation: a thread reads a pub/sub connection and hands each message on. Threads that wait for a task
subscribe to that task's own channel and sleep on an event, so nobody polls. Pub/sub forgets what was said while
the connection was away; therefore after each reconnect every listener is called as if something had happened,
and looks at the record, which is the truth.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis
from redis.client import PubSub

from app.store.client import Client

logger = logging.getLogger("celeriac.store")

#: Called with the message, or with None after a reconnect: something may have been missed.
Listener = Callable[[str | None], None]
_RECONNECT_PAUSE_SECONDS = 0.5
_READ_TIMEOUT_SECONDS = 5.0
_CONFIRM_TIMEOUT_SECONDS = 2.0


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
        self._pubsub: PubSub | None = None
        self._closed = threading.Event()

    def subscribe(self, channel: str, listener: Listener) -> threading.Event:
        """Call `listener` for every message from now on. The event is set when Redis has confirmed."""
        with self._lock:
            confirmed = self._confirmed.setdefault(channel, threading.Event())
            self._listeners[channel].append(listener)
            is_first = len(self._listeners[channel]) == 1
            if self._pubsub is None:
                self._start()
            if is_first:
                self._send("subscribe", channel)
        return confirmed

    def unsubscribe(self, channel: str, listener: Listener) -> None:
        """The opposite."""
        with self._lock:
            listeners = self._listeners[channel]
            listeners.remove(listener)
            if not listeners:
                del self._listeners[channel]
                self._confirmed.pop(channel, None)
                self._send("unsubscribe", channel)

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

    def confirm(self, channel: str) -> bool:
        """Wait until Redis has confirmed the subscription; False when it does not answer in time."""
        with self._lock:
            confirmed = self._confirmed.get(channel)
        return confirmed is not None and confirmed.wait(_CONFIRM_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with self._lock:
            if self._pubsub is not None:
                self._pubsub.close()

    def _send(self, command: str, channel: str) -> None:
        """Tell Redis; where it is away the reader subscribes to everything when it is back."""
        if self._pubsub is None:
            return
        try:
            getattr(self._pubsub, command)(channel)
        except (redis.RedisError, OSError):
            logger.debug("redis is away", extra={"action": "subscribe_deferred"})

    def _start(self) -> None:
        self._pubsub = self._client.pubsub()  # type: ignore[no-untyped-call]
        threading.Thread(target=self._read, name="subscriber", daemon=True).start()

    def _read(self) -> None:
        """Until it is closed. Nothing ends this thread but that: who waits would never be woken again."""
        lost = False
        while not self._closed.is_set():
            try:
                if lost:
                    self._resubscribe()
                lost = False
                self._read_messages()
            except Exception as error:
                lost = True
                if self._closed.wait(_RECONNECT_PAUSE_SECONDS):
                    return  # closing pulls the connection from under the read
                if not isinstance(error, redis.RedisError | OSError):
                    logger.exception("the subscriber failed; it goes on", extra={"action": "subscriber_failed"})

    def _read_messages(self) -> None:
        assert self._pubsub is not None
        while not self._closed.is_set():
            message = self._pubsub.get_message(timeout=_READ_TIMEOUT_SECONDS)
            if message is None:
                continue
            if message["type"] == "subscribe":
                self._on_confirmed(message["channel"])
            elif message["type"] == "message":
                self._dispatch(message["channel"], message["data"])

    def _on_confirmed(self, channel: str) -> None:
        with self._lock:
            confirmed = self._confirmed.get(channel)
        if confirmed is not None:
            confirmed.set()

    def _dispatch(self, channel: str, data: str | None) -> None:
        with self._lock:
            listeners = list(self._listeners.get(channel, ()))
        for listener in listeners:
            listener(data)

    def _resubscribe(self) -> None:
        """A new connection with every channel, then a word to everyone that something may have been missed."""
        with self._lock:
            if self._pubsub is not None:
                self._pubsub.close()
            self._pubsub = self._client.pubsub()  # type: ignore[no-untyped-call]
            channels = list(self._listeners)
            for channel in channels:
                self._send("subscribe", channel)
        for channel in channels:
            self._dispatch(channel, None)
