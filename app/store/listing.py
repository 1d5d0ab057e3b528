"""The list of tasks, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.names import Match, NamePattern
from app.domain.status import Kind, Status, TaskType
from app.store.arguments import checked_cursor, one_or_all
from app.store.client import Client
from app.store.columns import SPEC, TASK, dump_json
from app.store.keys import Keys
from app.store.record import SEQ_PER_MS, Task, read_task
from app.store.scripts import Scripts

#: Records that are compared with the filters for one page: no client of Redis waits longer than some milliseconds.
SCAN_PER_PAGE = 500
#: Names whose indexes are merged for one page: that match, and that have tasks on earlier pages.
NAMES_MATCHED, NAMES_BEGUN = 2_000, 500
#: How far the order of creation (seq) may run ahead of the clock: many tasks in one ms, machines that differ.
#: Only up to here does `created_before` look for tasks whose time is earlier than their place in the order.
SEQ_AHEAD_MS = 1_000


class Order(StrEnum):
    """In which order tasks are listed."""

    CREATED = "created"  # newest creation first
    FINISHED = "finished"  # newest finish first; only tasks that have finished
    OLDEST = "oldest"  # oldest creation first


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks to list; None: any. Times are ms since 1970: created_after <= created < created_before.

    error_type, fingerprint: of tasks that have failed for good.
    """

    status: Status | None = None
    task_type: TaskType | None = None
    kind: Kind | None = None
    name: NamePattern | None = None
    tag: str | None = None
    scheduled_task_id: str | None = None
    error_type: str | None = None
    fingerprint: str | None = None
    created_after_ms: int | None = None
    created_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list; `cursor` is None at its end."""

    items: list[Task]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Group:
    """Indexes that together hold every match, and the short names of the fields that they decide."""

    keys: list[str]
    covers: list[str]


class TaskListing:
    """The list of tasks under one prefix. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def page(
        self,
        filters: Filters,
        limit: int,
        cursor: str | None = None,
        order: Order = Order.CREATED,
        last: str | None = None,
    ) -> Page:
        """The tasks that match, from `cursor` on, which an earlier page in this order gave.

        A page holds fewer than `limit` items at the end of the list, and where few tasks match: then it has a cursor.
        With Order.OLDEST, `last` is the position of the last task to list (see `position`).
        Raises ValueError for a cursor that no page gave.
        """
        start, stop = self._bounds(filters, checked_cursor(cursor), order, last)
        following, *rows = self._scripts(
            "list",
            order="oldest" if order is Order.OLDEST else "newest",
            start=start,
            stop=stop,
            limit=limit,
            budget=SCAN_PER_PAGE,
            asked=dump_json(self._asked(filters, order)),
        )
        items = [read_task(task_id, record) for task_id, record in zip(rows[::2], rows[1::2], strict=True)]
        return Page(items, following or None)

    def position(self) -> str:
        """The place in the order of creation behind which every later task stands."""
        return str(self._client.get(self._keys.seq) or "0")

    def upcoming(self, limit: int) -> list[Task]:
        """The `limit` waiting tasks that are due next, the earliest first."""
        with self._client.pipeline(transaction=False) as pipeline:
            for key in (self._keys.due, self._keys.sent):
                pipeline.zrange(key, 0, limit - 1, withscores=True)
            entries = sorted((due_ms, task_id) for found in pipeline.execute() for task_id, due_ms in found)
        ids = [task_id for _, task_id in entries[:limit]]
        with self._client.pipeline(transaction=False) as pipeline:
            for task_id in ids:
                pipeline.hgetall(self._keys.task(task_id))
            records = pipeline.execute()
        return [
            read_task(task_id, [word for pair in record.items() for word in pair])
            for task_id, record in zip(ids, records, strict=True)
            if record  # a task that was deleted between the two reads has none
        ]

    def _bounds(self, filters: Filters, cursor: str, order: Order, last: str | None) -> tuple[str, str]:
        """Between which scores to read: where to start (exclusive), and where to stop."""
        low = "-inf" if filters.created_after_ms is None else str(filters.created_after_ms * SEQ_PER_MS)
        high = "+inf"
        if filters.created_before_ms is not None and order is not Order.FINISHED:
            high = str((filters.created_before_ms + SEQ_AHEAD_MS) * SEQ_PER_MS)
        if order is Order.OLDEST:
            first = "-inf" if low == "-inf" else str(int(low) - 1)
            return cursor or first, _lower(high, last or "+inf")
        return _lower(high, cursor or "+inf"), low

    def _asked(self, filters: Filters, order: Order) -> dict[str, Any]:
        by_finish = order is Order.FINISHED
        asked = {
            "groups": [{"keys": group.keys, "covers": group.covers} for group in self._groups(filters, order)],
            "checks": [part for check in _checks(filters) for part in check],
            "name": filters.name.text if filters.name else None,
            "match": filters.name.match if filters.name else Match.EXACT,
            "by_finish": by_finish,
            "names_matched": NAMES_MATCHED,
            "names_begun": NAMES_BEGUN,
            "tag": filters.tag,
            "from_ms": filters.created_after_ms,
            "until_ms": filters.created_before_ms,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def _groups(self, filters: Filters, order: Order) -> Iterator[_Group]:
        """The indexes to choose from. Every task is in those of its kind, type and status."""
        leaf = self._keys.finished_index if order is Order.FINISHED else self._keys.task_index
        leaves = [
            leaf(kind, task_type, status)
            for kind in one_or_all(filters.kind, Kind)
            for task_type in one_or_all(filters.task_type, TaskType)
            for status in _statuses(filters, order)
        ]
        yield _Group(leaves, [TASK[name].short for name in ("kind", "task_type", "status")])
        for name, key, value in (
            ("tags", self._keys.tag, filters.tag),
            ("scheduled_task_id", self._keys.created_by, filters.scheduled_task_id),
            ("error_type", self._keys.error_type, filters.error_type),
            ("fingerprint", self._keys.fingerprint, filters.fingerprint),
        ):
            if value is not None:
                yield _Group([key(value)], [SPEC[name].short if name in SPEC else TASK[name].short])


def _statuses(filters: Filters, order: Order) -> Iterable[Status]:
    found = one_or_all(filters.status, Status)
    return [status for status in found if status.finished] if order is Order.FINISHED else found


def _checks(filters: Filters) -> Iterator[tuple[str, str]]:
    """Short name and value of the fields that have one right value."""
    for name in ("kind", "task_type", "status", "scheduled_task_id", "error_type", "fingerprint"):
        value = getattr(filters, name)
        if value is not None:
            yield TASK[name].short, str(value)


def _lower(one: str, other: str) -> str:
    """The lower of two scores, of which either may be "+inf"."""
    return min(one, other, key=float)
