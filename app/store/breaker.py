"""Callers of an unresponsive Redis should not each wait for their own timeout.

A call to a hanging Redis blocks a thread for 1.5 seconds. With many callers, the threads run out and requests wait
longer than the promised limit. Therefore, after a call times out while no other call receives a reply, only one call
at a time tries Redis. All others are refused at once, until a call receives a reply.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ConnectionError, RedisError, TimeoutError

from app.domain.errors import Unavailable

Answer = TypeVar("Answer")

#: Text of the Unavailable for a call that is refused because another one is trying.
SILENT = "silent"


class Breaker:
    """One per client. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered = float("-inf")
        self._is_silent = False
        self._trying = threading.Lock()

    def run(self, call: Callable[[], Answer]) -> Answer:
        """Run `call`. Raises Unavailable at once if Redis is unresponsive and another call is trying it."""
        if not self._is_silent:
            return self._run(call)
        if not self._trying.acquire(blocking=False):
            raise Unavailable(SILENT)
        try:
            return self._run(call)
        finally:
            self._trying.release()

    def _run(self, call: Callable[[], Answer]) -> Answer:
        began = self._clock()
        try:
            answer = call()
        except TimeoutError:
            self._is_silent = self._answered < began
            raise
        except ConnectionError:  # fails at once, so other callers lose no time
            raise
        except RedisError:
            self._on_answer()
            raise
        self._on_answer()
        return answer

    def _on_answer(self) -> None:
        self._answered = self._clock()
        self._is_silent = False
