"""`asyncio` of programs: queues."""

from __future__ import annotations

import collections
import heapq
from typing import Any

from sandbox.inside.event_loop import CancelledError, Future


class QueueEmpty(Exception):
    """get_nowait() of an empty queue."""


class QueueFull(Exception):
    """put_nowait() into a full queue."""


class Queue:
    """asyncio.Queue."""

    def __init__(self, maxsize: int = 0) -> None:
        self._maxsize = maxsize
        self._items: Any = collections.deque()
        self._unfinished = 0
        self._getting: collections.deque[Future] = collections.deque()
        self._putting: collections.deque[Future] = collections.deque()
        self._joining: collections.deque[Future] = collections.deque()

    @property
    def maxsize(self) -> int:
        """How many items it holds at most; 0: any number."""
        return self._maxsize

    def qsize(self) -> int:
        """How many items it holds."""
        return len(self._items)

    def empty(self) -> bool:
        """Whether it holds none."""
        return not self._items

    def full(self) -> bool:
        """Whether put() would wait."""
        return 0 < self._maxsize <= len(self._items)

    def put_nowait(self, item: Any) -> None:
        """Put, or raise QueueFull."""
        if self.full():
            raise QueueFull
        self._put(item)
        self._unfinished += 1
        _wake_first(self._getting)

    def get_nowait(self) -> Any:
        """Take, or raise QueueEmpty."""
        if self.empty():
            raise QueueEmpty
        item = self._take()
        _wake_first(self._putting)
        return item

    async def put(self, item: Any) -> None:
        """Put, when there is room."""
        while self.full():
            await _turn(self._putting)
        self.put_nowait(item)

    async def get(self) -> Any:
        """Take, when there is something."""
        while self.empty():
            await _turn(self._getting)
        return self.get_nowait()

    def task_done(self) -> None:
        """Say that one item is dealt with."""
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        while self._joining and not self._unfinished:
            _wake_first(self._joining)

    async def join(self) -> None:
        """Until every item is dealt with."""
        while self._unfinished:
            await _turn(self._joining)

    def _put(self, item: Any) -> None:
        self._items.append(item)

    def _take(self) -> Any:
        return self._items.popleft()


async def _turn(waiting: collections.deque[Future]) -> None:
    """Wait to be woken. Whoever is cancelled as it is woken wakes the next one in its place."""
    mine = Future()
    waiting.append(mine)
    try:
        await mine
    except CancelledError:
        if not mine.cancelled():
            _wake_first(waiting)
        raise


def _wake_first(waiting: collections.deque[Future]) -> None:
    """Whoever has waited longest: if one item woke all that wait, many of them would take the square of their time."""
    while waiting:
        first = waiting.popleft()
        if not first.done():
            first.set_result(None)
            return


class LifoQueue(Queue):
    """asyncio.LifoQueue."""

    def _take(self) -> Any:
        return self._items.pop()


class PriorityQueue(Queue):
    """asyncio.PriorityQueue."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._items = []

    def _put(self, item: Any) -> None:
        heapq.heappush(self._items, item)

    def _take(self) -> Any:
        return heapq.heappop(self._items)
