"""The outcome of one attempt, as an executor reports it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The `error` of a task: a failure of the program or the call itself."""

    type: str
    message: str
    line: int | None = None
    traceback: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The failure in the shape that the contract defines."""
        return {"type": self.type, "message": self.message, "line": self.line, "traceback": self.traceback}


#: The failure of a task that could not start in time.
EXPIRED = Failure("ExpiredError", "the task had not started when expires_in was over")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt. The attempt succeeded if `failure` is None and `stopped` is False.

    result_json: UTF-8 JSON, or None. A failed API task keeps the target's response here as well.
    retryable: whether another attempt could have a different outcome.
    retry_after_seconds: the pause that the target requested by Retry-After.
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
    """How an ended attempt counts against its task."""

    COUNTED = "counted"  # uses up an attempt number, and a retry if another attempt follows
    LOST = "lost"  # uses up an attempt number, which may have been observed, but no retry: the service failed
    RETURNED = "returned"  # uses up nothing: its worker returned it


class ExecutorError(Exception):
    """A failure of the service, not of the task: the attempt does not count and is repeated."""
