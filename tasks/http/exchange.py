"""The state of a call from DNS to the last byte: its deadline, its receive budget, its cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from tasks.http.errors import Cancelled, ReceiveLimit, TimeoutError_


class Cancel:
    """Ends a call in flight, from any thread. Serves one call at a time."""

    __slots__ = ("_aborts", "_cancelled", "_lock")

    def __init__(self) -> None:
        self._cancelled = False
        self._aborts: dict[int, Callable[[], None]] = {}
        # Re-entrant: the garbage collector may close a socket, and so detach it, while this thread holds the lock.
        self._lock = threading.RLock()

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Make the call in flight raise Cancelled at once, or a later call as soon as it starts."""
        with self._lock:  # held during the aborts, so that no descriptor is closed and its number reused meanwhile
            self._cancelled = True
            for abort in list(self._aborts.values()):
                abort()

    def attach(self, owner: object, abort: Callable[[], None]) -> None:
        """Call `abort` on cancel, until `detach`. It must not block or raise."""
        with self._lock:
            if self._cancelled:
                raise Cancelled
            self._aborts[id(owner)] = abort

    def detach(self, owner: object) -> None:
        with self._lock:
            self._aborts.pop(id(owner), None)


class Steps(Protocol):
    """Is told what a call does, while it does it. Each step ends with the next one, or with its hop."""

    def hop(self, method: str, url: str, host: str, port: int) -> None:
        """A request to this host and port begins: the first, or that of a redirect."""

    def step(self, name: str) -> None:
        """A step begins: `dial` (DNS, connect, TLS), `send`, or `receive` (the wait for the answer, and its body)."""

    def answered(self, status_code: int) -> None:
        """The head of the hop's answer has arrived."""


class Exchange:
    """Deadline and receive budget of one call. Only `cancel` is shared with other threads."""

    __slots__ = ("_deadline", "_receive_limit_bytes", "cancel", "received_bytes", "steps", "timeout_seconds")

    def __init__(
        self, timeout_seconds: float, cancel: Cancel | None, started: float, steps: Steps | None = None
    ) -> None:
        """`started` is a time of `time.monotonic()`, the clock that sockets use."""
        self.steps = steps
        self.timeout_seconds = timeout_seconds
        self.cancel = cancel if cancel is not None else Cancel()
        self.received_bytes = 0
        self._deadline = started + timeout_seconds
        self._receive_limit_bytes = 0

    def remaining(self) -> float:
        """Return the seconds left, always more than 0. Raises Cancelled or TimeoutError_."""
        if self.cancel.cancelled:
            raise Cancelled
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.timed_out()
        return left

    def timed_out(self) -> TimeoutError_:
        return TimeoutError_(f"the call did not end within {self.timeout_seconds:g} s")

    def expect(self, limit_bytes: int) -> None:
        """Begin a new phase in which at most that many bytes may be received."""
        self.received_bytes = 0
        self._receive_limit_bytes = limit_bytes

    def received(self, size_bytes: int) -> None:
        """Count received bytes.

        Raises ReceiveLimit beyond the budget, and Cancelled if an end of file comes from our own cancel.
        """
        self.received_bytes += size_bytes
        if self.received_bytes > self._receive_limit_bytes:
            raise ReceiveLimit
        if size_bytes == 0 and self.cancel.cancelled:
            raise Cancelled
