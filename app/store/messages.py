"""What the store writes beside a record so that a worker hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready for the list `queue_key`. An empty `payload` is none."""

    queue_key: str = ""
    payload: str = ""


NO_MESSAGE = Message()

#: (task id, kind, priority 0..9, countdown in seconds or None) -> the message that makes a worker execute it.
MessageMaker = Callable[[str, str, int, float | None], Message]
