"""The list of tasks, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.status import Kind, Status, TaskType
from app.store.arguments import checked_cursor, one_or_all
from app.store.keys import Keys
from app.store.record import Task, read_task
from app.store.scripts import Scripts

#: Records one Lua call looks at for a page, and calls made for one answer: the work for an answer is bounded,
#: and no other client of Redis waits longer than a few milliseconds.
SCAN_PER_CALL = 2_000
CALLS_PER_PAGE = 5
SEQ_PER_MS = 2048
#: How far the order of creation (seq) may run ahead of the clock: many tasks in one ms, machines that differ.
#: Only up to here does `created_before` look for the tasks whose time is earlier than their place.
SEQ_AHEAD_MS = 1_000


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks to list; None: any. Times are ms since 1970: created_after <= created < created_before."""

    status: Status | None = None
    task_type: TaskType | None = None
    kind: Kind | None = None
    name: str | None = None
    name_is_prefix: bool = False
    tag: str | None = None
    scheduled_task_id: str | None = None
    created_after_ms: int | None = None
    created_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list; `cursor` is None at its end."""

    items: list[Task]
    cursor: str | None


class TaskListing:
    """The list of tasks under one prefix. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts

    def page(self, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """Newest first. `cursor` is one that an earlier page gave. Raises ValueError on any other.

        Under filters that match rarely a page may be short, or empty, and still have a cursor.
        """
        before, items = checked_cursor(cursor), list[Task]()
        for _ in range(CALLS_PER_PAGE):
            page = self._scan(filters, limit - len(items), before)
            items += page.items
            before = page.cursor or ""
            if len(items) >= limit or not before:
                break
        return Page(items, before or None)

    def _scan(self, filters: Filters, limit: int, before: str) -> Page:
        sources = self._sources(filters)
        if filters.created_before_ms is not None:
            ceiling = str((filters.created_before_ms + SEQ_AHEAD_MS) * SEQ_PER_MS)
            before = ceiling if not before else min(before, ceiling, key=int)
        chunk = limit + 1 if len(sources) == 1 else limit // len(sources) + 8
        cursor, *rows = self._scripts(
            "list",
            before=before or "+inf",
            lowest="-inf" if filters.created_after_ms is None else filters.created_after_ms * SEQ_PER_MS,
            limit=limit,
            budget=SCAN_PER_CALL,
            chunk=chunk,
            name=filters.name or "",
            is_prefix=int(filters.name_is_prefix),
            tag=filters.tag or "",
            schedule_id=filters.scheduled_task_id or "",
            kind=filters.kind or "",
            task_type=filters.task_type or "",
            status=filters.status or "",
            from_ms="" if filters.created_after_ms is None else filters.created_after_ms,
            until_ms="" if filters.created_before_ms is None else filters.created_before_ms,
            indexes=sources,
        )
        items = [read_task(task_id, record) for task_id, record in zip(rows[::2], rows[1::2], strict=True)]
        return Page(items, cursor or None)

    def _sources(self, filters: Filters) -> Sequence[str]:
        """The indexes that hold every match: the narrowest there are."""
        if filters.scheduled_task_id is not None:
            return [self._keys.created_by(filters.scheduled_task_id)]
        if filters.tag is not None:
            return [self._keys.tag(filters.tag)]
        return [
            self._keys.task_index(kind, task_type, status)
            for kind in one_or_all(filters.kind, Kind)
            for task_type in one_or_all(filters.task_type, TaskType)
            for status in one_or_all(filters.status, Status)
        ]
