"""The record of a task: short field names in Redis, a frozen Task in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.names import folded
from app.domain.spec import fields_of_others
from app.domain.status import Kind, Status, TaskType
from app.domain.trace import NO_TRACE, TraceContext
from app.store.bodies import read_body
from app.store.columns import OLD_NAMES, SPEC, TASK, Column

#: Each ms has so many sequence numbers (`take_seqs` of `_lib.lua`).
SEQ_PER_MS = 2048
HISTORY_LENGTH = 50
#: With the current attempt, which is in the record itself.
ATTEMPTS_KEPT = 20
#: Maximum length of a reason in the history, in characters: the name of an exception is the user's choice.
MAX_REASON_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Change:
    """A change of status. `before` is None for the creation; `who` is a worker, a beat, the API or a schedule."""

    at_ms: int
    before: Status | None
    after: Status
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task at the time it was read. Times are ms since 1970, or None if the event has not happened.

    spec: the stored fields of the spec. Fields of the body, `result_json`, `stdout`, `attempts` and `history` are
    read only with the full task.
    """

    id: str
    task_type: TaskType
    kind: Kind
    status: Status
    created_ms: int
    due_ms: int
    spec: Mapping[str, Any]
    queued_ms: int | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    duration_ms: float | None = None
    attempt: int = 0
    worker: str | None = None
    scheduled_task_id: str | None = None
    retry_of: str | None = None
    traceparent: str = ""
    tracestate: str = ""
    error: dict[str, Any] | None = None
    stdout_truncated: bool = False
    cpu_ms: float | None = None
    memory_kb: int | None = None
    epoch: int = 0
    losses: int = 0
    revision: str = ""
    result_json: str | None = None
    stdout: str = ""
    attempts: Sequence[dict[str, Any]] = ()
    history: Sequence[Change] = ()

    @property
    def name(self) -> str:
        """The name that its creator chose."""
        return str(self.spec["name"])

    @property
    def trace(self) -> TraceContext:
        """The context of the trace in which it was asked for."""
        return TraceContext(self.traceparent, self.tracestate) if self.traceparent else NO_TRACE


_ATTRIBUTES = frozenset(Task.__dataclass_fields__)
_TASK_BY_SHORT: dict[str, tuple[str, Column]] = {
    column.short: (name, column) for name, column in TASK.items() if name in _ATTRIBUTES
}
_TASK_BY_SHORT |= {old: _TASK_BY_SHORT[new] for old, new in OLD_NAMES.items()}
_KIND, _SEQ = TASK["kind"].short, TASK["seq"].short
_SPEC_BY_SHORT = {column.short: (name, column) for name, column in SPEC.items()}
#: kind -> the fields that a record of this kind holds, with their defaults.
_DEFAULTS_OF = {
    kind: {name: column.default for name, column in SPEC.items() if name not in fields_of_others(kind)} for kind in Kind
}


def read_task(task_id: str, flat: Sequence[str], *beside: str, **more: Any) -> Task:
    """The task of a non-empty record as Lua returns it (name, value, name, value, …).

    `beside`: what `kept_beside` of `_lib.lua` returns, for a task with its body.
    """
    record = record_of(flat)
    values: dict[str, Any] = more
    for short, text in record.items():
        found = _TASK_BY_SHORT.get(short)
        if found is not None:
            values[found[0]] = found[1].read(text)
    if "created_ms" not in values:
        values["created_ms"] = int(record[_SEQ]) // SEQ_PER_MS
    if values["status"] is not Status.WAITING:
        values.setdefault("queued_ms", values["due_ms"])
    return Task(id=task_id, spec=read_spec(record, *beside), **values)


def record_of(flat: Sequence[str]) -> dict[str, str]:
    """A hash that Lua returned: names and values in turn. Those of a record are short."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def read_spec(record: Mapping[str, str], *beside: str) -> dict[str, Any]:
    """The spec of a task or scheduled task. `beside` as for `read_task`."""
    kind = Kind(record[_KIND])
    spec = dict(_DEFAULTS_OF[kind])
    for short, text in record.items():
        found = _SPEC_BY_SHORT.get(short)
        if found is not None:
            spec[found[0]] = found[1].read(text)
    return {**spec, **read_body(kind, record, *beside)} if beside else spec


def read_field(name: str, text: str | None) -> Any:
    """One field of a record. An unset field is None, or the default if it is a spec field."""
    column = SPEC.get(name)
    if column is not None:
        return column.default if text is None else column.read(text)
    return None if text is None else TASK[name].read(text)


def write_spec(spec: Mapping[str, Any]) -> list[str]:
    """The spec fields that a record stores: short name, text, … Fields with their default are omitted.

    The folded name is among them if it differs from the name.
    """
    flat: list[str] = []
    for name, column in SPEC.items():
        value = spec.get(name, column.default)
        if value != column.default:
            flat += (column.short, column.write(value))
    name = folded(spec["name"])
    if name != spec["name"]:
        flat += (TASK["folded_name"].short, name)
    return flat


def read_history(task: Task, lines: Sequence[str]) -> list[Change]:
    """The newest changes of a task, oldest first. Lua writes each line as "ms, from, to, who, why", separated by tabs.

    What the record itself tells has no line: the creation, the start of the current or last attempt if the task was
    queued, and its end if its worker has ended it for good.
    """
    changes = [_read_change(line) for line in lines]
    first = Status.QUEUED if task.started_ms is not None else task.status
    if changes and changes[0].before is not None:
        first = changes[0].before
    history = [creation(task.created_ms, first, task.scheduled_task_id), *changes]
    history += _last_attempt(task, history[-1].after)
    return history[-HISTORY_LENGTH:]


def _last_attempt(task: Task, status: Status) -> Iterator[Change]:
    """The start and the end of the current or last attempt after the change to `status`, so far as they are missing."""
    if task.started_ms is None or status.finished:
        return
    who = str(task.worker)
    if status is not Status.RUNNING:
        yield Change(task.started_ms, status, Status.RUNNING, who, f"attempt {task.attempt} starts")
    if task.finished_ms is not None:
        why = reason_of(None if task.error is None else task.error["type"], is_stopped=task.status is Status.STOPPED)
        yield Change(task.finished_ms, Status.RUNNING, task.status, who, why)


def reason_of(error_type: str | None, *, is_stopped: bool) -> str:
    """The reason that the history shows for the end of an attempt by its worker."""
    if is_stopped:
        return "stop requested"
    return "returned" if error_type is None else error_type[:MAX_REASON_LENGTH]


def creation(created_ms: int, status: Status, schedule_id: str | None) -> Change:
    """The first entry of a history: the task was created with this status."""
    who = "api" if schedule_id is None else f"schedule {schedule_id}"
    return Change(created_ms, None, status, who, "created")


def _read_change(line: str) -> Change:
    at_ms, before, after, who, why = line.split("\t", 4)
    return Change(int(at_ms), Status(before), Status(after), who, why)
