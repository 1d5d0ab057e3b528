"""Changes by callers: how often they are tried, and a new spec from that of an existing task, also for a retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.domain.fields import names_kept
from app.domain.spec import DELAY_FIELDS, Rules, TaskSpec, merged, parse_task
from app.domain.status import TaskType
from app.store.record import Task
from app.store.tasks import NewTask
from app.usecases.dispatch import Dispatcher

#: Attempts at a change that meets another one, or a firing. Each failed attempt means that another one succeeded, so
#: this bounds how many can be made at once.
CHANGE_TRIES = 300


#: Makes a task, given its id and the time in ms at which it is created.
Make = Callable[[str, int], NewTask]


def retried(dispatcher: Dispatcher, original: Task, changes: Any, now_ms: int, inspect: Rules) -> Make:
    """Return what makes the new task that runs `original` again, due at once unless the changes give a time.

    Raises InvalidSpec with every problem of the changed spec, including those that `inspect` finds.
    """
    raw = raw_of(original)
    # Without changes, its spec was checked when it was created.
    spec = None if changes == {} else parse_task(changed(raw, changes), now_ms, inspect)

    def make(task_id: str, created_ms: int) -> NewTask:
        if spec is None:
            again = dispatcher.again(original.kind, raw, task_id, created_ms)
        else:
            again = dispatcher.from_request(spec, task_id, created_ms)
        return replace(again, retry_of=original.id)

    return make


def changed(raw: dict[str, Any], changes: Any) -> dict[str, Any]:
    """Apply `changes` to a spec. A time alone makes the task a delayed one."""
    raw = merged(raw, changes)
    return {**raw, "task_type": TaskType.DELAYED} if gives_time(raw) and raw.get("task_type") is None else raw


def gives_time(fields: Mapping[str, Any]) -> bool:
    """Whether `fields` has a due time: `delay_seconds` or `run_at`. Null counts as absent."""
    return any(fields.get(name) is not None for name in DELAY_FIELDS)


def with_schedules_own(spec: Mapping[str, Any], seen: Task) -> dict[str, Any]:
    """The changed spec of a task, with what it can only have from its schedule: the time zone, and the whole of an
    alert rule that stays."""
    of_tasks = names_kept(TaskSpec)
    own = {name: value for name, value in seen.spec.items() if name not in of_tasks}
    if spec["alert"] == raw_of(seen)["alert"]:
        own["alert"] = seen.spec["alert"]
    return {**spec, **own}


def raw_of(task: Task) -> dict[str, Any]:
    """The spec from which a task was created, without its due time. Of a schedule's alert rule, the channels remain."""
    raw = {name: task.spec[name] for name in names_kept(TaskSpec) if name in task.spec}
    if raw.get("alert") is not None:
        raw["alert"] = {"channels": raw["alert"]["channels"]}
    return raw
