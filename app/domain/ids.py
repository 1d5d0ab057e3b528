"""Ids of tasks and scheduled tasks: UUIDv7 (RFC 9562), so that ids sort by creation."""

from __future__ import annotations

import hashlib
import re
import secrets

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def new_id(now_ms: int) -> str:
    """A fresh UUIDv7 for the time `now_ms`."""
    return _uuid7(now_ms, secrets.token_bytes(10))


def firing_id(schedule_id: str, firing_ms: int) -> str:
    """The id of the task that a schedule's firing creates.

    The same firing has the same id whoever computes it, so it can't be created twice.
    """
    return _uuid7(firing_ms, hashlib.sha256(f"{schedule_id}@{firing_ms}".encode()).digest()[:10])


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id; any other text names nothing."""
    return _UUID.fullmatch(text) is not None


def _uuid7(ms: int, noise: bytes) -> str:
    number = (ms & (1 << 48) - 1) << 80 | int.from_bytes(noise)
    number = number & ~(0xF << 76) | 0x7 << 76  # version 7
    number = number & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
