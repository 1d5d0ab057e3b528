"""A task's record: short field names in Redis, a frozen Task outside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.status import Kind, Status, TaskType

HISTORY_LENGTH = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A change of status: `before` is None at the creation; `who` is a worker, a beat, the API or a schedule."""

    at_ms: int
    before: Status | None
    after: Status
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it stood when it was read. Times are ms since 1970, None where it has not come to that.

    `spec`, `result_json`, `stdout`, `attempts` and `history` are read only with the whole task.
    """

    id: str
    name: str
    task_type: TaskType
    kind: Kind
    status: Status
    created_ms: int
    due_ms: int
    queued_ms: int | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    duration_ms: float | None = None
    attempt: int = 0
    max_retries: int = 0
    timeout: float = 30
    priority: int = 5
    tags: Sequence[str] = ()
    worker: str | None = None
    scheduled_task_id: str | None = None
    retry_of: str | None = None
    error: dict[str, Any] | None = None
    stdout_truncated: bool = False
    cpu_ms: float | None = None
    memory_kb: int | None = None
    revision: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    result_json: str | None = None
    stdout: str = ""
    attempts: Sequence[dict[str, Any]] = ()
    history: Sequence[Change] = ()


def read_task(task_id: str, fields: dict[str, str]) -> Task:
    """The task behind the record `fields` (not empty)."""
    return Task(
        id=task_id,
        name=fields["n"],
        task_type=TaskType(fields["tt"]),
        kind=Kind(fields["k"]),
        status=Status(fields["st"]),
        created_ms=int(fields["cr"]),
        due_ms=int(fields["du"]),
        queued_ms=_int(fields.get("qd")),
        started_ms=_int(fields.get("sa")),
        finished_ms=_int(fields.get("fi")),
        duration_ms=_float(fields.get("dm")),
        attempt=int(fields["at"]),
        max_retries=int(fields["mr"]),
        timeout=shown_number(float(fields["to"])),
        priority=int(fields["p"]),
        tags=json.loads(fields.get("tg", "[]")),
        worker=fields.get("w"),
        scheduled_task_id=fields.get("sid"),
        retry_of=fields.get("ro"),
        error=json.loads(fields["er"]) if "er" in fields else None,
        stdout_truncated=fields.get("ot") == "1",
        cpu_ms=_float(fields.get("cpu")),
        memory_kb=_int(fields.get("mem")),
        revision=fields.get("rv", ""),
    )


def read_history(task: Task, notes: Sequence[str]) -> list[Change]:
    """The newest changes of a task, the oldest first. Each note of Lua's is "ms, from, to, who, why" between tabs.

    Nothing is noted at the creation, which every task has: what it was created as, the first note tells.
    """
    changes = [_read_change(note) for note in notes]
    first = changes[0].before if changes else task.status
    who = "api" if task.scheduled_task_id is None else f"schedule {task.scheduled_task_id}"
    creation = Change(task.created_ms, None, first or task.status, who, "created")
    return [creation, *changes][-HISTORY_LENGTH:]


def _read_change(note: str) -> Change:
    at_ms, before, after, who, why = note.split("\t", 4)
    return Change(int(at_ms), Status(before), Status(after), who, why)


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """A record as Lua returns it: name, value, name, value, …"""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def dump_json(value: Any) -> str:
    """Compact JSON, not escaped beyond need."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


def shown_number(number: float) -> float:
    """30 for 30.0: what came in as a whole number goes out as one."""
    return int(number) if number.is_integer() else number


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)
