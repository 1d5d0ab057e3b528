"""From a spec to a task on its way: what the record says, and the message that goes with it."""

from __future__ import annotations

from typing import Any

from app.domain.retry import RetryPolicy
from app.domain.spec import BODY_FIELDS, ScheduleSpec, TaskFields
from app.domain.status import TaskType
from app.store.messages import NO_MESSAGE, Message, MessageMaker, MessageTemplate
from app.store.schedules import Schedule
from app.store.tasks import NewTask

RETRY_FIELDS = ("retry_delay", "retry_max_delay", "on_worker_lost")
#: How a scheduled task fires, beside its expression.
FIRING_FIELDS = ("start_at", "end_at", "max_runs", "catch_up", "jitter_seconds", "overlap")


def body_of(spec: TaskFields) -> dict[str, Any]:
    """What an attempt needs of a spec, as it is kept beside the record."""
    return {name: getattr(spec, name) for name in (*BODY_FIELDS[spec.kind], *RETRY_FIELDS)}


def terms_of(spec: ScheduleSpec) -> dict[str, Any]:
    """How a scheduled task fires, as it is kept in its record."""
    return {name: getattr(spec, name) for name in FIRING_FIELDS}


def retry_policy(body: dict[str, Any], max_retries: int) -> RetryPolicy:
    """How a task with this body is tried again."""
    policy = RetryPolicy(max_retries, body["retry_delay"], body["retry_max_delay"])
    if "retry_on" not in body:
        return policy
    return RetryPolicy(max_retries, policy.delay_seconds, policy.max_delay_seconds, tuple(body["retry_on"]))


class Dispatcher:
    """Decides how a task gets to a worker: at once, by countdown, or after a while in Redis."""

    def __init__(self, make_message: MessageMaker, horizon_seconds: float) -> None:
        self._make_message = make_message
        self.horizon_ms = round(horizon_seconds * 1000)

    def message(self, task_id: str, kind: str, priority: int, due_ms: int, now_ms: int) -> Message:
        """The message for a task due at `due_ms`; none while that is beyond the horizon."""
        ahead_ms = due_ms - now_ms
        if ahead_ms > self.horizon_ms:
            return NO_MESSAGE
        return self._make_message(task_id, kind, priority, ahead_ms / 1000 if ahead_ms > 0 else None)

    def template(self, kind: str, priority: int) -> MessageTemplate:
        """The message for any number of tasks that are due at once."""
        return self._make_message.template(kind, priority)

    def from_spec(self, spec: TaskFields, task_id: str, task_type: TaskType, due_ms: int, now_ms: int) -> NewTask:
        """A task made of a validated spec."""
        return NewTask(
            id=task_id,
            name=spec.name,
            kind=spec.kind,
            task_type=task_type,
            due_ms=due_ms,
            spec=body_of(spec),
            max_retries=spec.max_retries,
            timeout=spec.timeout,
            priority=spec.priority,
            tags=spec.tags,
            message=self.message(task_id, spec.kind, spec.priority, due_ms, now_ms),
        )

    def from_schedule(self, schedule: Schedule, task_id: str, due_ms: int, now_ms: int) -> NewTask:
        """A task made of a scheduled task, beside its firings. (What a firing creates is made in fire.lua.)"""
        return NewTask(
            id=task_id,
            name=schedule.name,
            kind=schedule.kind,
            task_type=TaskType.SCHEDULED,
            due_ms=due_ms,
            spec=schedule.spec,
            max_retries=schedule.max_retries,
            timeout=schedule.timeout,
            priority=schedule.priority,
            tags=schedule.tags,
            scheduled_task_id=schedule.id,
            message=self.message(task_id, schedule.kind, schedule.priority, due_ms, now_ms),
        )
