"""The statuses of a task, and the permitted transitions between them."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a task does."""

    CODE = "code"  # runs a program in the sandbox
    API = "api"  # sends an HTTP request


class TaskType(StrEnum):
    """When a task runs."""

    IMMEDIATE = "immediate"
    DELAYED = "delayed"
    SCHEDULED = "scheduled"  # created by a scheduled task's firing


class Status(StrEnum):
    """The state of a task."""

    WAITING = "waiting"  # due in the future: a delay, or the pause before a retry
    QUEUED = "queued"  # due; not started by a worker yet
    RUNNING = "running"  # one worker holds its lease
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def finished(self) -> bool:
        """Whether this status is final."""
        return self in FINISHED


class ScheduleStatus(StrEnum):
    """The state of a scheduled task."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"  # no firings remain


FINISHED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.STOPPED})

#: Every permitted transition of a task, with its cause. The store's Lua scripts make no others.
TRANSITIONS: dict[tuple[Status, Status], str] = {
    (Status.WAITING, Status.QUEUED): "it became due",
    (Status.WAITING, Status.RUNNING): "a worker held it as a countdown and started it on time",
    (Status.WAITING, Status.STOPPED): "it was stopped before it was due",
    (Status.WAITING, Status.FAILED): "it expired, and no process had marked it as due",
    (Status.QUEUED, Status.RUNNING): "a worker claimed it",
    (Status.QUEUED, Status.FAILED): "it expired before it started",
    (Status.QUEUED, Status.STOPPED): "it was stopped before it started",
    (Status.RUNNING, Status.SUCCEEDED): "the attempt succeeded",
    (Status.RUNNING, Status.FAILED): "the attempt failed and no retries are left",
    (Status.RUNNING, Status.STOPPED): "it was stopped while it ran",
    (Status.RUNNING, Status.WAITING): "the attempt failed and a retry is due later",
    (Status.RUNNING, Status.QUEUED): "its worker was lost or returned it",
}
