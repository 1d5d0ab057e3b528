"""Waiting for the end of a task or a bulk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from app.store.subscriber import Watch

#: How often a waiting call reads the record, if the announcement may not reach it.
LOOK_SECONDS = 1.0

Record = TypeVar("Record")


def read_until(
    is_over: Callable[[Record], bool], read: Callable[[], Record], watch: Watch, seconds: float, *, sure: bool
) -> Record:
    """Read the record, and sleep until its end is announced; unless `sure`, read it again each second.

    When this process is about to end, return the record as it is: its caller gets an answer instead of a connection
    that breaks, and can wait on at another process.
    """
    deadline = time.monotonic() + seconds
    while True:
        record = read()
        remaining = deadline - time.monotonic()
        if is_over(record) or remaining <= 0 or watch.is_ending:
            return record
        watch.wait(remaining if sure else min(remaining, LOOK_SECONDS))
