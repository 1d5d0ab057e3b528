"""How many tasks of each queue a worker runs at once, though it has threads for those of all its queues together."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

#: How long a message counts that was fetched and has not come to its thread. A thread takes milliseconds to begin.
COMING_SECONDS = 1.0
#: How long a thread waits for a place. Then its task goes back to the queue, where idle workers find it.
PATIENCE_SECONDS = 0.1
_NO_LIMIT = 1_000_000


class Places:
    """The places for the tasks of each queue. Thread-safe.

    A place is taken before a task is claimed: so a task that finds none stays queued, for this worker or another.

    limits: how many tasks of a queue run at once; of a queue without a limit, as many as there are threads
    waiting: how many threads may wait for a place of a queue. They keep the consumer ahead of tasks that take
    milliseconds; without them, it would leave the queue alone whenever all its places are taken. Once one has waited
    in vain, it does, until a place is left.
    """

    def __init__(self, limits: Mapping[str, int], waiting: Mapping[str, int]) -> None:
        self._limits = limits
        self._may_wait = waiting
        self._taken = Counter[str]()
        self._waiting: dict[str, deque[threading.Event]] = {queue: deque() for queue in limits}
        self._coming: dict[str, tuple[str, float]] = {}
        self._slow: set[str] = set()
        self._lock = threading.Lock()

    def coming(self, task_id: str, queue: str) -> None:
        """Note that a message of this queue was fetched, for whose task a thread will want a place at once."""
        with self._lock:
            self._coming[task_id] = queue, time.monotonic()

    def take(self, queue: str, task_id: str) -> bool:
        """Take a place for the task of a message, or wait for one. False if too many wait, or it takes too long."""
        with self._lock:
            self._coming.pop(task_id, None)
            if self._take_free(queue):
                return True
            waiting = self._waiting[queue]
            if len(waiting) >= self._may_wait.get(queue, 0):
                return False
            waiting.append(granted := threading.Event())
        if granted.wait(PATIENCE_SECONDS):
            return True
        with self._lock:
            if granted.is_set():
                return True
            waiting.remove(granted)
            self._slow.add(queue)
            return False

    def take_another(self, queue: str) -> bool:
        """Take a place for a thread that has had one of another queue. False if there is none."""
        with self._lock:
            return self._take_free(queue)

    def _take_free(self, queue: str) -> bool:
        is_free = self._taken[queue] < self._limits.get(queue, _NO_LIMIT)
        self._taken[queue] += is_free
        return is_free

    def leave(self, queue: str) -> None:
        """Give a place back."""
        with self._lock:
            self._give_back(queue)

    def swap(self, queue: str, other: str) -> None:
        """Leave a place for one of another queue, even if there is none: its task has been claimed."""
        with self._lock:
            self._give_back(queue)
            self._taken[other] += 1

    def is_awaited(self, queue: str) -> bool:
        """Whether a thread waits for a place of this queue."""
        with self._lock:
            return bool(self._waiting.get(queue))

    def full(self) -> Collection[str]:
        """The queues of which nothing should be fetched now."""
        with self._lock:
            wanted = self._taken + Counter({queue: len(waiting) for queue, waiting in self._waiting.items()})
            if self._coming:
                since = time.monotonic() - COMING_SECONDS
                self._coming = {task_id: found for task_id, found in self._coming.items() if found[1] >= since}
                wanted.update(queue for queue, _ in self._coming.values())
            return [queue for queue in self._limits if wanted[queue] >= self._most(queue)]

    def _most(self, queue: str) -> int:
        return self._limits[queue] + (0 if queue in self._slow else self._may_wait.get(queue, 0))

    def _give_back(self, queue: str) -> None:
        self._slow.discard(queue)
        waiting = self._waiting.get(queue)
        if waiting and self._taken[queue] <= self._limits[queue]:
            waiting.popleft().set()  # the place is handed over
        else:
            self._taken[queue] -= 1


class Place:
    """The place that a thread holds: of one queue at a time. `queue`: "" where it needs none."""

    def __init__(self, places: Places, queue: str) -> None:
        self.queue = queue
        self._places = places
        self._kept: list[str] = []

    def take(self, task_id: str) -> bool:
        """Take it for the task of a message that was fetched. False if it can't be had soon."""
        return not self.queue or self._places.take(self.queue, task_id)

    def leave(self) -> None:
        """Give it back."""
        if self.queue:
            self._places.leave(self.queue)

    @contextmanager
    def asking(self, queues: Sequence[str]) -> Iterator[list[str]]:
        """Those of the queues from which the thread may take its next task, in the order in which to ask them.

        Its own comes last, so that no queue of a worker of several waits for ever; not at all, if another thread waits
        for the place. Of the others, a place is kept until the block ends.
        """
        self._kept = [queue for queue in queues if queue != self.queue and self._places.take_another(queue)]
        own = [self.queue] if self.queue in queues and not self._places.is_awaited(self.queue) else []
        try:
            yield [*self._kept, *own]
        finally:
            for queue in self._kept:
                self._places.leave(queue)
            self._kept = []

    def go_to(self, queue: str) -> None:
        """Have the place of this queue now, whose task was claimed."""
        if queue == self.queue or not self.queue:
            return
        if queue in self._kept:
            self._kept.remove(queue)
            self._places.leave(self.queue)
        else:  # a claim that was made before, or a task whose kind has changed
            self._places.swap(self.queue, queue)
        self.queue = queue
