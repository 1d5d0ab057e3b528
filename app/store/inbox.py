"""Notifies a process when tasks that it created and waits for have ended.

The whole process uses one channel and subscribes once: a subscription per task would cost two commands and wake the
listening thread two more times. The task's record holds the name of the inbox, and the end is published there.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from app.store.keys import Keys
from app.store.subscriber import Subscriber, Watch

#: How long a creation waits for its inbox. Without Redis, this and the write's own timeout stay within 2 seconds.
OPEN_SECONDS = 0.15


class Inbox:
    """Thread-safe; subscribes at its first use."""

    def __init__(self, subscriber: Subscriber, keys: Keys) -> None:
        self.name = uuid.uuid4().hex[:16]
        self._channel = keys.inbox(self.name)
        self._subscriber = subscriber
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._is_subscribed = False

    @contextmanager
    def expect(self, task_id: str) -> Iterator[Watch]:
        """A Watch that wakes when the task ends, or when a notification may have been missed.

        The task's record must name this inbox.
        """
        watch = Watch()
        with self._lock:
            self._watches[task_id] = watch
            is_new, self._is_subscribed = not self._is_subscribed, True
        if is_new:
            self._subscriber.subscribe(self._channel, self._on_end)
        try:
            yield watch
        finally:
            with self._lock:
                del self._watches[task_id]

    def is_open(self) -> bool:
        """Whether the subscription is confirmed, so no further notification is lost. Waits briefly for confirmation."""
        return self._subscriber.is_confirmed(self._channel) or self._subscriber.confirm(self._channel, OPEN_SECONDS)

    def _on_end(self, task_id: str | None) -> None:
        with self._lock:
            woken = list(self._watches.values()) if task_id is None else [self._watches.get(task_id)]
        for watch in woken:
            if watch is not None:
                watch.notify(task_id)
