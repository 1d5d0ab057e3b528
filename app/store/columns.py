"""The hash fields of records: a name for Python and Lua, a short name in Redis, and a parser of the text.

Fields of a spec declare theirs in app/domain/fields.py. Scripts receive all names as the table `F` (scripts.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.domain.fields import Kept, names_kept, storage_of
from app.domain.numbers import plain_number
from app.domain.spec import ScheduleSpec, TaskSpec
from app.domain.status import Kind, ScheduleStatus, Status, TaskType

Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A hash field: its short name, and the function that parses its text."""

    short: str
    read: Read = str


@dataclass(frozen=True, slots=True)
class SpecColumn:
    """The hash field of a spec field. It is omitted while the field has its default."""

    short: str
    default: Any
    is_text: bool

    def read(self, text: str) -> Any:
        """Parse the text of a value."""
        return text if self.is_text else json.loads(text)

    def write(self, value: Any) -> str:
        """Format a value as text."""
        return str(value) if self.is_text else dump_json(plain_number(value))


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump_json(value: Any) -> str:
    """Compact JSON with a minimum of escapes."""
    return _encode(value)  # json.dumps makes an encoder at each call


def _is_set(text: str) -> bool:
    return text == "1"


def _int_or_none(text: str) -> int | None:
    return int(text) if text else None


#: Columns of both tasks and scheduled tasks. `seq` is the score in every index; `revision` counts changes by callers.
SHARED: dict[str, Column] = {
    "kind": Column("k", Kind),
    "seq": Column("q", int),
    "created_ms": Column("cr", int),  # of a task, left out where `seq` tells it
    "revision": Column("rv"),
    # The body (bodies.py) if it is short, and the program, or the hash of one that is kept elsewhere.
    "body": Column("b"),
    "program": Column("pg"),
    "program_hash": Column("ph"),
}

#: Columns of tasks.
TASK: dict[str, Column] = {
    **SHARED,
    "status": Column("st", Status),
    "task_type": Column("tt", TaskType),
    "due_ms": Column("du", int),
    # Left out while it is due_ms, and before. Empty if the task was stopped, or expired, before it was queued.
    "queued_ms": Column("qd", _int_or_none),
    "started_ms": Column("sa", int),
    "finished_ms": Column("fi", int),
    "duration_ms": Column("dm", float),
    "attempt": Column("at", int),
    "worker": Column("w"),
    "scheduled_task_id": Column("sid"),
    # Of scheduled tasks too. Derived from the name (app/domain/names.py); left out while it is the same.
    "folded_name": Column("nf"),
    "retry_of": Column("ro"),
    "error": Column("er", json.loads),
    # Of a failed task: the keys under which it is listed.
    "error_type": Column("et"),
    "fingerprint": Column("fp"),
    # The result if it is short.
    "result": Column("re"),
    "stdout_truncated": Column("ot", _is_set),
    "cpu_ms": Column("c", float),
    "memory_kb": Column("m", int),
    # The current or last attempt.
    "epoch": Column("ep", int),
    "lease_until_ms": Column("ls", int),
    "claim": Column("cl"),
    "losses": Column("lost", int),
    "stop_requested_ms": Column("stop", int),
    # Set if a message older than the score in `queued` may exist. Then its place in a list says nothing about others.
    "has_older_message": Column("dup", _is_set),
    # The context of the trace in which it was asked for (app/domain/trace.py), if there is one.
    "traceparent": Column("tp"),
    "tracestate": Column("ts"),
    # The inbox of the process that waits for the end.
    "inbox": Column("ib"),
}

#: Short names of form 1, which records have until they are changed (migrations/tasks.py): old name -> new name.
OLD_NAMES = {"cpu": "c", "mem": "m"}

#: Columns of scheduled tasks. `timing` is the JSON of the fields that beat needs.
SCHEDULE: dict[str, Column] = {
    **SHARED,
    "status": Column("st", ScheduleStatus),
    "updated_ms": Column("up", int),
    "next_run_ms": Column("nx", _int_or_none),
    "timing": Column("te", json.loads),
    "key": Column("key"),
    "last_task_id": Column("last"),
    "fired_count": Column("fired", int),
    "manual_count": Column("manual", int),
    "skipped_count": Column("skipped", int),
    "missed_count": Column("missed", int),
    # Of the tasks that it created: how the last one that finished ended, and how often in a row tasks have failed.
    "last_outcome": Column("lo", Status),
    "failure_streak": Column("fs", int),
    "succeeded_count": Column("ok", int),
    "failed_count": Column("bad", int),
}


def _spec_columns() -> dict[str, SpecColumn]:
    found = {}
    for model in (TaskSpec, ScheduleSpec):
        for name in names_kept(model, Kept.RECORD):
            field = model.model_fields[name]
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            is_text = field.annotation is str or isinstance(default, str)
            found[name] = SpecColumn(storage_of(model)[name].short, default, is_text)
    return found


#: Columns that specs declare, for both. A firing copies them from the schedule's hash to the task's.
SPEC: dict[str, SpecColumn] = _spec_columns()

#: Name -> short name, for the scripts.
SHORT_NAMES: dict[str, str] = {
    **{name: column.short for name, column in {**TASK, **SCHEDULE}.items()},
    **{name: column.short for name, column in SPEC.items()},
}
