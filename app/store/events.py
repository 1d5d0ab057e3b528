"""What event streams read: the status changes of all tasks, and the changes and output of one task.

Status changes of all tasks are in a Redis stream that exists only while event streams are open somewhere. Without
listeners a change costs one EXISTS; with them, a process that reconnects resumes from the stream, whichever process
served it before. Pub/sub alone could not do that, and a stream that is always written would cost every task memory and
disk writes for nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.status import Kind, Status, TaskType
from app.store.client import Client
from app.store.keys import Keys
from app.store.record import Change, read_history, read_task
from app.store.scripts import Scripts

#: Maximum number of changes that one call reads.
CHANGES_PER_CALL = 500
_EVENT_ID = re.compile(r"(\d{1,15})-(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """A change of a task's status. `id` is its place in the order of all changes."""

    id: str
    task_id: str
    name: str
    kind: Kind
    task_type: TaskType
    tags: tuple[str, ...]
    scheduled_task_id: str | None
    change: Change


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded changes: complete since `since_ms`, by Redis's clock, and from `oldest` on if that is not ""."""

    since_ms: int
    newest: str
    oldest: str

    @property
    def end(self) -> str:
        """The position after all recorded changes."""
        return self.newest or f"{self.since_ms}-0"

    def contains_all_after(self, event_id: str) -> bool:
        """Whether the event is from this recording, and no change after it is missing."""
        place = place_of(event_id)
        first = place_of(self.oldest) if self.oldest else (self.since_ms, 0)
        return first <= place <= place_of(self.end)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """A task's status, its newest changes, oldest first, and the requested part of its output."""

    status: Status
    changes: Sequence[Change]
    stdout: str


def is_event_id(text: str) -> bool:
    """Whether `text` has the form of a StatusEvent's id."""
    return _EVENT_ID.fullmatch(text) is not None


def place_of(event_id: str) -> tuple[int, int]:
    """The id as numbers that sort like the events. Raises ValueError for text of another form."""
    ms, _, number = event_id.partition("-")
    return int(ms), int(number)


def read_event(event_id: str, text: str) -> StatusEvent:
    """A change in the format of `announce` in `_lib.lua`."""
    values: dict[str, Any] = json.loads(text)
    return StatusEvent(
        id=event_id,
        task_id=values["task_id"],
        name=values["name"],
        kind=Kind(values["kind"]),
        task_type=TaskType(values["task_type"]),
        tags=tuple(json.loads(values["tags"] or "[]")),
        scheduled_task_id=values["scheduled_task_id"] or None,
        change=Change(
            int(values["at_ms"]),
            Status(values["before"]) if values["before"] else None,
            Status(values["after"]),
            values["who"],
            values["why"],
        ),
    )


class EventStore:
    """Thread-safe. Every method raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def record(self) -> Recording:
        """Record all changes for the next two minutes."""
        since_ms, newest, oldest = self._scripts("events_open")
        return Recording(int(since_ms), newest, oldest)

    def after(self, event_id: str) -> list[StatusEvent]:
        """The recorded changes after the one with this id ("" for the first), at most CHANGES_PER_CALL."""
        first = f"({event_id}" if event_id else "-"
        entries: Any = self._client.xrange(self._keys.events, first, "+", count=CHANGES_PER_CALL)
        return [read_event(found, fields["event"]) for found, fields in entries]

    def progress(self, task_id: str, offset_bytes: int) -> TaskProgress | None:
        """The progress of a task, with its output from an offset in bytes on; None if there is no such task."""
        found = self._scripts("task_events", task_id=task_id, offset=offset_bytes)
        if not found:
            return None
        record, stdout, lines = found
        task = read_task(task_id, record)
        return TaskProgress(task.status, read_history(task, lines), stdout)

    def write_output(self, task_id: str, epoch: int, offset_bytes: int, text: str) -> bool:
        """Write what a running program has printed from an offset on. False if the attempt is over."""
        return bool(self._scripts("output", task_id=task_id, epoch=epoch, offset=offset_bytes, text=text))
