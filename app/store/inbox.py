"""Where a process hears of the ends of the tasks that it creates and waits for.

One channel for the whole process, subscribed to once: a subscription for each task would cost two commands and wake
the listening thread twice more. The task's record holds the inbox' name, and its end is told there.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from app.store.keys import Keys
from app.store.subscriber import Subscriber, Watch

#: A create waits no longer for its inbox: with the write's own patience it stays within 2 seconds if Redis is away.
OPEN_SECONDS = 0.15


class Inbox:
    """Thread-safe; subscribes when it is first used."""

    def __init__(self, subscriber: Subscriber, keys: Keys) -> None:
        self.name = uuid.uuid4().hex[:16]
        self._channel = keys.inbox(self.name)
        self._subscriber = subscriber
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._is_subscribed = False

    @contextmanager
    def expect(self, task_id: str) -> Iterator[Watch]:
        """A Watch that the end of a task wakes whose record names this inbox; also what may have been missed does."""
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
        """Whether whatever is told from now on will be heard. Waits for it a little where that is not yet known."""
        return self._subscriber.is_confirmed(self._channel) or self._subscriber.confirm(self._channel, OPEN_SECONDS)

    def _on_end(self, task_id: str | None) -> None:
        with self._lock:
            woken = list(self._watches.values()) if task_id is None else [self._watches.get(task_id)]
        for watch in woken:
            if watch is not None:
                watch.notify(task_id)
