"""Who asks a Redis that answers nobody need not find that out each by himself.

A call that waits for a hanging Redis holds a thread for a second and a half; with many callers threads run out, and
those who wait for one wait for longer than anybody was promised. So when a call got no answer, and nobody else got one
meanwhile, only one call at a time goes on trying; the others are refused at once, until one is answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ConnectionError, RedisError, TimeoutError

from app.domain.errors import Unavailable

Answer = TypeVar("Answer")


class Breaker:
    """One per client. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered = float("-inf")
        self._is_silent = False
        self._trying = threading.Lock()

    def run(self, call: Callable[[], Answer]) -> Answer:
        """What `call` returns or raises. Raises Unavailable at once where Redis is silent and another call tries."""
        if not self._is_silent:
            return self._run(call)
        if not self._trying.acquire(blocking=False):
            raise Unavailable("silent")
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
        except ConnectionError:  # known at once: nobody need be spared it
            raise
        except RedisError:
            self._on_answer()
            raise
        self._on_answer()
        return answer

    def _on_answer(self) -> None:
        self._answered = self._clock()
        self._is_silent = False
