"""What became of one attempt, as an executor says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The `error` of a task: the program's or the call's own failure."""

    type: str
    message: str
    line: int | None = None
    traceback: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The contract's shape."""
        return {"type": self.type, "message": self.message, "line": self.line, "traceback": self.traceback}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt. `failure` None and not `stopped`: it succeeded.

    result_json: UTF-8 JSON, or None; an API task keeps its answer beside a failure.
    retryable: whether another attempt could end differently.
    retry_after_seconds: what the target asked for.
    """

    result_json: bytes | None = None
    failure: Failure | None = None
    stopped: bool = False
    retryable: bool = True
    retry_after_seconds: float | None = None
    stdout: str = ""
    stdout_truncated: bool = False
    cpu_ms: float | None = None
    memory_kb: int | None = None


class Ending(StrEnum):
    """What an attempt that has ended costs its task."""

    COUNTED = "counted"  # its number, and a retry where another follows
    LOST = "lost"  # its number, since it may have been seen, but no retry: our side failed
    RETURNED = "returned"  # nothing: its worker gave it back


class ExecutorError(Exception):
    """Our own failure, not the task's: the attempt does not count, and is made again."""
