"""Ids of tasks and scheduled tasks: UUIDv7 (RFC 9562), so that ids sort by creation."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import lru_cache

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MAX_MS = (1 << 48) - 1
#: Hex digit -> the same digit with its upper two bits set to 10.
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}


def new_id(now_ms: int) -> str:
    """A new UUIDv7 for the time `now_ms`."""
    return _uuid7(now_ms, secrets.token_hex(10))


def firing_id(schedule_id: str, firing_ms: int) -> str:
    """The id of the task that a schedule's firing creates.

    Every process computes the same id for a firing, so its task can't be created twice.
    """
    return _uuid7(firing_ms, hashlib.sha256(f"{schedule_id}@{firing_ms}".encode()).hexdigest())


def first_batch_id(now_ms: int) -> str:
    """A fresh id for the first task of a batch."""
    return _uuid7(now_ms, f"0000{secrets.token_hex(8)}")


def batch_ids(first_id: str, number: int) -> list[str]:
    """The ids of the tasks of a batch, at most 4,096, in their order.

    They follow from the first, so that a repeated request finds the tasks of the first one, and sort in their order.
    """
    return [first_id, *(_sibling(first_id, place) for place in range(1, number))]


def _sibling(first_id: str, place: int) -> str:
    noise = hashlib.sha256(f"{first_id}+{place}".encode()).hexdigest()
    return _uuid7(time_of(first_id), f"0{place:03x}{noise[:16]}")


def bulk_task_id(bulk_id: str, source_id: str) -> str:
    """The id of the task that a bulk creates for another task, or for a scheduled task.

    It is the same whoever computes it, so a repeated step creates nothing twice. Its time is the bulk's.
    """
    return _uuid7(time_of(bulk_id), hashlib.sha256(f"{bulk_id}@{source_id}".encode()).hexdigest())


def time_of(task_id: str) -> int:
    """The ms since 1970 in an id: the creation, or of a firing's task the time of the firing."""
    return int(task_id[:8] + task_id[9:13], 16)


def is_id(text: str) -> bool:
    """Whether `text` is a well-formed id. No other text can identify anything."""
    return _UUID.fullmatch(text) is not None


def _uuid7(ms: int, noise: str) -> str:
    """`noise`: at least 20 hex digits. The version replaces the first; the variant of RFC 9562 is set in the fifth."""
    return f"{_time(ms)}-7{noise[1:4]}-{_VARIANT[noise[4]]}{noise[5:8]}-{noise[8:20]}"


@lru_cache(maxsize=64)
def _time(ms: int) -> str:
    """Cached, because thousands of firings share one time."""
    digits = f"{ms & _MAX_MS:012x}"
    return f"{digits[:8]}-{digits[8:]}"
