"""`asyncio` of programs: events, locks, semaphores and conditions."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from sandbox.inside.event_loop import CancelledError, Future


class Event:
    """asyncio.Event."""

    def __init__(self) -> None:
        self._value = False
        self._waiting: list[Future] = []

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._value

    def set(self) -> None:
        """Wake all that wait."""
        self._value = True
        for each in self._waiting:
            if not each.done():
                each.set_result(True)
        self._waiting = []

    def clear(self) -> None:
        """Let those that come wait again."""
        self._value = False

    async def wait(self) -> bool:
        """Until it is set."""
        if not self._value:
            waiting = Future()
            self._waiting.append(waiting)
            await waiting
        return True


class Semaphore:
    """asyncio.Semaphore."""

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError("Semaphore initial value must be >= 0")
        self._value = value
        self._waiting: collections.deque[Future] = collections.deque()

    def locked(self) -> bool:
        """Whether acquire() would wait."""
        return self._value == 0

    async def acquire(self) -> bool:
        """Take one, when there is one."""
        if self._value > 0:  # then nobody waits
            self._value -= 1
            return True
        waiting = Future()
        self._waiting.append(waiting)
        try:
            await waiting
        except CancelledError:
            if not waiting.cancelled():  # it was handed one in the same turn
                self._hand_on()
            raise
        return True

    def release(self) -> None:
        """Give one back."""
        self._hand_on()

    def _hand_on(self) -> None:
        """To whoever has waited longest: others, who come before that one runs, are not to have it."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._value += 1

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: Any) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """asyncio.BoundedSemaphore."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._bound = value

    def release(self) -> None:
        """Give one back that was taken."""
        if self._value >= self._bound:
            raise ValueError("BoundedSemaphore released too many times")
        super().release()


class Lock(Semaphore):
    """asyncio.Lock."""

    def __init__(self) -> None:
        super().__init__(1)

    def release(self) -> None:
        """Let the next one in."""
        if self._value:
            raise RuntimeError("Lock is not acquired.")
        super().release()


class Condition:
    """asyncio.Condition."""

    def __init__(self, lock: Any = None) -> None:
        self._lock = Lock() if lock is None else lock
        self._waiting: collections.deque[Future] = collections.deque()

    def locked(self) -> bool:
        """Whether acquire() would wait."""
        locked: bool = self._lock.locked()
        return locked

    async def acquire(self) -> bool:
        """Take the lock, when it is free."""
        await self._lock.acquire()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    async def wait(self) -> bool:
        """Give the lock back until notify() is called."""
        self._must_be_locked()
        self.release()
        waiting = Future()
        self._waiting.append(waiting)
        try:
            await waiting
        finally:
            await self._acquire_in_any_case()
        return True

    async def _acquire_in_any_case(self) -> None:
        """Whoever waits leaves with the lock, which `async with` is going to give back, even if it is cancelled."""
        cancelled: CancelledError | None = None
        while True:
            try:
                await self.acquire()
                break
            except CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def wait_for(self, predicate: Callable[[], Any]) -> Any:
        """Wait until the predicate holds."""
        while not (result := predicate()):
            await self.wait()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake so many that wait."""
        self._must_be_locked()
        while n > 0 and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                n -= 1

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._waiting))

    def _must_be_locked(self) -> None:
        if not self._lock.locked():
            raise RuntimeError("the lock of the condition is not acquired")

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: Any) -> None:
        self.release()
