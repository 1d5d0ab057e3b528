"""Processor time of some work, as it would be on the machine where a test's limit was set.

It differs by the machine, and by what else runs on it: two threads of one core, or programs that share a cache, make
each other dearer.
"""

from __future__ import annotations

import gc
import json
import time
import zlib
from collections.abc import Callable

REFERENCE_CPU_SECONDS = 0.02
"""Of `reference` on the machine where the limits were set. A slower machine gets more, a faster one no less."""


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of this thread alone, and without collections of garbage, which go through all that the process holds."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        started = time.thread_time()
        work()
        return time.thread_time() - started
    finally:
        if was_enabled:
            gc.enable()


def reference() -> None:
    """Work on much memory: a smaller one stays in the processor's cache."""
    json.loads(b"[" + b'{"a": 1},' * 120_000 + b"0]")
    zlib.decompress(zlib.compress(b"abc" * 1_200_000, 1))


def allowance() -> float:
    """How much dearer all work is at this moment."""
    return max(1.0, min(cpu_seconds(reference) for _ in range(3)) / REFERENCE_CPU_SECONDS)


def adjusted(cost: float, limit: float) -> float:
    """What a cost would be on the machine where the limit was set, if it is over the limit here."""
    return cost if cost <= limit else cost / allowance()
