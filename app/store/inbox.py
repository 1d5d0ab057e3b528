"""Notifies a process when tasks that it created and waits for have ended.

The whole process uses one channel and subscribes once: a subscription per task would cost two commands and wake the
listening thread two more times. The task's record holds the name of the inbox, and the end is published there, together
with the task unless it is large, so that it need not be read.
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


class Expected(Watch):
    """Lets a thread wait for the end of one task.

    news: the task as JSON (`told` of tasks.py), if the last notification had it; else "".
    """

    def __init__(self, ending: threading.Event) -> None:
        super().__init__(ending)
        self.news = ""

    def notify(self, message: str | None) -> None:
        """Wake the waiting thread. The message is the task's id and, unless the task is large, ` ` and the news."""
        self.news = (message or "").partition(" ")[2]
        super().notify(message)


class Inbox:
    """Thread-safe; subscribes at its first use."""

    def __init__(self, subscriber: Subscriber, keys: Keys) -> None:
        self.name = uuid.uuid4().hex[:16]
        self._channel = keys.inbox(self.name)
        self._subscriber = subscriber
        self._lock = threading.Lock()
        self._watches: dict[str, Expected] = {}
        self._is_subscribed = False

    @contextmanager
    def expect(self, task_id: str) -> Iterator[Expected]:
        """A Watch that wakes when the task ends, or when a notification may have been missed.

        The task's record must name this inbox.
        """
        watch = Expected(self._subscriber.ending)
        with self._lock:
            if not self._is_subscribed:
                self._subscriber.subscribe(self._channel, self._on_end)
                self._is_subscribed = True
            self._watches[task_id] = watch
        try:
            yield watch
        finally:
            with self._lock:
                del self._watches[task_id]

    def is_open(self) -> bool:
        """Whether the subscription is confirmed, so no further notification is lost. Waits briefly for confirmation."""
        return self._subscriber.is_confirmed(self._channel) or self._subscriber.confirm(self._channel, OPEN_SECONDS)

    def _on_end(self, message: str | None) -> None:
        with self._lock:
            if message is None:
                woken = list(self._watches.values())
            else:
                watch = self._watches.get(message.partition(" ")[0])
                woken = [] if watch is None else [watch]
        for watch in woken:
            watch.notify(message)
