"""How long a process had to wait for its turn on a busy machine, so that limits of time hold there too."""

from __future__ import annotations

import threading
import time
from typing import Self

STEP_SECONDS = 0.01


class Lateness:
    """Adds up, while its block lasts, by how much a thread of this process wakes later than it asked for.

    A call that exceeds its limit by less than the sum of its time may only have waited for a processor, or for other
    threads of this process. So a limit that is raised by this sum tells what waits for too long, not what computes.

    seconds, longest_seconds: the sum so far, and its largest part.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.longest_seconds = 0.0
        self._began = self._end = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    @property
    def taken_seconds(self) -> float:
        """How long the block has lasted, or did, less the lateness."""
        return (self._end or time.monotonic()) - self._began - self.seconds

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end = time.monotonic()
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        has_ended = False
        while not has_ended:
            began = time.monotonic()
            has_ended = self._ended.wait(STEP_SECONDS)
            late_seconds = max(0.0, time.monotonic() - began - STEP_SECONDS)
            self.seconds += late_seconds
            self.longest_seconds = max(self.longest_seconds, late_seconds)
