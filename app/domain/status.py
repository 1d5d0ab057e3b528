"""The statuses of a task, and every change between them that may happen."""

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
    """Where a task stands."""

    WAITING = "waiting"  # due in the future: a delay, or the pause before a retry
    QUEUED = "queued"  # due; no worker has it yet
    RUNNING = "running"  # one worker holds its lease
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def finished(self) -> bool:
        """Whether the task stays as it is for ever."""
        return self in FINISHED


class ScheduleStatus(StrEnum):
    """Where a scheduled task stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"  # no firing is left


FINISHED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.STOPPED})

#: Every change a task can go through, with what causes it. The store's Lua makes no other.
TRANSITIONS: dict[tuple[Status, Status], str] = {
    (Status.WAITING, Status.QUEUED): "its time has come",
    (Status.WAITING, Status.RUNNING): "a worker held it by countdown and starts it on time",
    (Status.WAITING, Status.STOPPED): "a stop before it was due",
    (Status.QUEUED, Status.RUNNING): "a worker claims it",
    (Status.QUEUED, Status.STOPPED): "a stop before it started",
    (Status.RUNNING, Status.SUCCEEDED): "the attempt succeeded",
    (Status.RUNNING, Status.FAILED): "the attempt failed and no retry is left",
    (Status.RUNNING, Status.STOPPED): "a stop while it ran",
    (Status.RUNNING, Status.WAITING): "the attempt failed and a retry is due later",
    (Status.RUNNING, Status.QUEUED): "its worker was lost, or gave it back",
}
