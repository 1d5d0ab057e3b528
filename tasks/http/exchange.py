"""The one thing that accompanies a call from DNS to the last byte: its time, its budget, its stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tasks.http.errors import Cancelled, ReceiveLimit, TimeoutError_


class Cancel:
    """Ends a call in flight, from any thread; for one call at a time."""

    __slots__ = ("_aborts", "_cancelled", "_lock")

    def __init__(self) -> None:
        self._cancelled = False
        self._aborts: dict[int, Callable[[], None]] = {}
        # Re-entrant: the collector may close a forgotten socket, and so detach it, inside the lock.
        self._lock = threading.RLock()

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """The call in flight raises Cancelled at once; one that starts later, right at its start."""
        with self._lock:  # held over the aborts: nothing is closed, and its number reused, meanwhile
            self._cancelled = True
            for abort in list(self._aborts.values()):
                abort()

    def attach(self, owner: object, abort: Callable[[], None]) -> None:
        """`abort` is called on cancel until `detach`; it must not block or raise."""
        with self._lock:
            if self._cancelled:
                raise Cancelled
            self._aborts[id(owner)] = abort

    def detach(self, owner: object) -> None:
        with self._lock:
            self._aborts.pop(id(owner), None)


class Exchange:
    """Time and budget of one call. Used by the thread that calls; only `cancel` is shared."""

    __slots__ = ("_deadline", "_receive_limit_bytes", "cancel", "received_bytes", "timeout_seconds")

    def __init__(self, timeout_seconds: float, cancel: Cancel | None, started: float) -> None:
        """`started` is `time.monotonic()`'s: sockets know no other clock."""
        self.timeout_seconds = timeout_seconds
        self.cancel = cancel if cancel is not None else Cancel()
        self.received_bytes = 0
        self._deadline = started + timeout_seconds
        self._receive_limit_bytes = 0

    def remaining(self) -> float:
        """Seconds that are left, more than 0. Raises Cancelled or TimeoutError_."""
        if self.cancel.cancelled:
            raise Cancelled
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.timed_out()
        return left

    def timed_out(self) -> TimeoutError_:
        return TimeoutError_(f"the call did not end within {self.timeout_seconds:g} s")

    def expect(self, limit_bytes: int) -> None:
        """A new phase begins: from here, at most that many bytes are received."""
        self.received_bytes = 0
        self._receive_limit_bytes = limit_bytes

    def received(self, size_bytes: int) -> None:
        """Count what came off the wire. Raises ReceiveLimit beyond the budget, Cancelled where an end of
        file is only the shutdown that cancelled us."""
        self.received_bytes += size_bytes
        if self.received_bytes > self._receive_limit_bytes:
            raise ReceiveLimit
        if size_bytes == 0 and self.cancel.cancelled:
            raise Cancelled
