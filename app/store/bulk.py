"""Bulks in Redis: an action on many tasks, or many scheduled tasks, and its progress.

The ids are written down before a bulk begins, so nothing that comes later is touched. Each step is one Lua call: it
acts on the next ids and counts them, or does nothing. So no step is done twice, whichever process dies between two.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from app.domain.bulk import BulkStatus, Of
from app.domain.errors import Busy, Unavailable
from app.domain.status import Kind, TaskType
from app.store.admission import UNCONDITIONAL, Conditions, EarlierRequest, refusal
from app.store.arguments import one_or_all
from app.store.client import Client
from app.store.columns import dump_json
from app.store.keys import Keys
from app.store.lease import ROUND_LEASE_MS, Lease
from app.store.listing import Filters
from app.store.scripts import Scripts
from app.store.tasks import NewTask, task_values

#: Ids that one call writes down.
MAX_COLLECTED = 500
MOST_KEPT = 100
MOST_RUNNING = 100


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk as it stood when it was read. Times are ms since 1970.

    filter: as the caller gave it; None if the caller gave ids. done, failed: how many of `matched` are settled.
    """

    id: str
    of: Of
    action: str
    filter: Mapping[str, str] | None
    changes: Mapping[str, Any]
    created_ms: int
    matched: int = 0
    done: int = 0
    failed: int = 0
    status: BulkStatus = BulkStatus.RUNNING
    finished_ms: int | None = None

    @property
    def position(self) -> int:
        """How many of its ids are settled."""
        return self.done + self.failed


@dataclass(frozen=True, slots=True)
class SeenSchedule:
    """A scheduled task of a step: the revision that was seen ("" if it is gone), its next firing if it is resumed."""

    id: str
    revision: str = ""
    next_run_ms: int | None = None


class BulkStore:
    """The bulks under one prefix. Thread-safe; raises Unavailable if Redis can't be reached.

    `lease`: of the work on them all.
    """

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self.lease = Lease(client, f"{keys.bulks}:lease", ROUND_LEASE_MS)

    # --- begin ----------------------------------------------------------------------------------

    def existing(self, of: Of, ids: Sequence[str]) -> list[str]:
        """Those of these ids that name a task, or a scheduled task."""
        key = self._keys.task if of is Of.TASKS else self._keys.schedule
        with self._client.pipeline(transaction=False) as pipeline:
            for one in ids:
                pipeline.exists(key(one))
            return [one for one, exists in zip(ids, pipeline.execute(), strict=True) if exists]

    def indexes_of(self, filters: Filters) -> list[str]:
        """The indexes that hold exactly the tasks that match; none if records have to be read to find those.

        Without a status there is none: a task that changes its status meanwhile could be missed, or found twice.
        """
        rest = replace(filters, tag=None, scheduled_task_id=None)
        if rest == Filters() and filters.scheduled_task_id is None and filters.tag is not None:
            return [self._keys.tag(filters.tag)]
        if rest == Filters() and filters.tag is None and filters.scheduled_task_id is not None:
            return [self._keys.created_by(filters.scheduled_task_id)]
        if filters.status is None or replace(filters, status=None, kind=None, task_type=None) != Filters():
            return []
        return [
            self._keys.task_index(kind, task_type, filters.status)
            for kind in one_or_all(filters.kind, Kind)
            for task_type in one_or_all(filters.task_type, TaskType)
        ]

    def members(self, indexes: Sequence[str], limit: int) -> Iterator[list[str]]:
        """The ids in these indexes, newest first, about `limit` at a time."""
        each = [self._by_seq(index, limit // len(indexes) + 1) for index in indexes]
        merged = heapq.merge(*each, reverse=True)
        while some := [one for _, one in islice(merged, limit)]:
            yield some

    def _by_seq(self, index: str, limit: int) -> Iterator[tuple[int, str]]:
        """(seq, id) of the members of an index, newest first. Members added above the last one read are left out."""
        below: str = "+inf"
        while True:
            found: Any = self._client.zrange(
                index, below, "-inf", desc=True, byscore=True, offset=0, num=limit, withscores=True
            )
            yield from ((int(seq), str(one)) for one, seq in found)
            if len(found) < limit:
                return
            below = f"({int(found[-1][1])}"

    def collect(self, bulk_id: str, already: int, ids: Sequence[str]) -> int:
        """Add ids to those of a bulk that has not begun; the bulk will act on the last one first.

        already: how many ids it has. Returns how many it has now. Raises Unavailable if its earlier ids have expired.
        """
        for first in range(0, len(ids), MAX_COLLECTED):
            part = ids[first : first + MAX_COLLECTED]
            length = int(self._scripts("bulk_collect", bulk_id=bulk_id, length=already, ids=part))
            already += len(part)
            if length != already:
                raise Unavailable("the ids of the bulk expired before it began")
        return already

    def forget(self, bulk_id: str) -> None:
        """Remove the ids of a bulk that will not begin."""
        self._client.delete(f"{self._keys.bulk(bulk_id)}:ids")

    def begin(self, bulk: Bulk, now_ms: int, conditions: Conditions = UNCONDITIONAL) -> EarlierRequest | None:
        """Begin a bulk whose ids are collected, and remove the oldest that have ended beyond 100.

        Returns the earlier request if the conditions name one; then nothing has begun. Raises Busy if too many run.
        """
        record = {"of": bulk.of, "action": bulk.action, "changes": dump_json(bulk.changes)}
        if bulk.filter is not None:
            record["filter"] = dump_json(bulk.filter)
        answer = self._scripts(
            "bulk_begin",
            bulk_id=bulk.id,
            now_ms=now_ms,
            **conditions.values(bulk.id, now_ms),
            most_running=MOST_RUNNING,
            most_kept=MOST_KEPT,
            matched=bulk.matched,
            record=[part for item in record.items() for part in item],
        )
        if answer == "busy":
            raise Busy(f"{MOST_RUNNING} bulks are running; nothing was begun")
        if answer == "expired":
            raise Unavailable("the ids of the bulk expired before it began")
        return refusal(answer)

    # --- read -----------------------------------------------------------------------------------

    def get(self, bulk_id: str) -> Bulk | None:
        """One, or None."""
        return self._read([bulk_id])[0]

    def newest(self) -> list[Bulk]:
        """The bulks that are kept, newest first."""
        found: Any = self._client.zrange(self._keys.bulks, 0, -1, desc=True)
        return [bulk for bulk in self._read(found) if bulk is not None]

    def running(self) -> list[str]:
        """The ids of the bulks that have not ended, oldest first."""
        found: Any = self._client.zrange(self._keys.running_bulks, 0, -1)
        return [str(bulk_id) for bulk_id in found]

    def _read(self, ids: Sequence[str]) -> list[Bulk | None]:
        with self._client.pipeline(transaction=False) as pipeline:
            for bulk_id in ids:
                pipeline.hgetall(self._keys.bulk(bulk_id))
            return [_read(bulk_id, record) for bulk_id, record in zip(ids, pipeline.execute(), strict=True)]

    # --- steps ----------------------------------------------------------------------------------

    def next_ids(self, bulk_id: str, number: int) -> list[str]:
        """The next ids that the bulk acts on, at most `number`."""
        found: Any = self._client.lrange(f"{self._keys.bulk(bulk_id)}:ids", 0, number - 1)
        return [str(one) for one in found]

    def end_tasks(self, bulk: Bulk, number: int, now_ms: int, actor: str) -> int:
        """Stop or delete the next `number` tasks. Returns the number settled; 0 if this step was not the next."""
        return int(
            self._scripts(
                "bulk_tasks",
                bulk_id=bulk.id,
                position=bulk.position,
                number=number,
                now_ms=now_ms,
                action=bulk.action,
                actor=actor,
            )
        )

    def create_tasks(self, bulk: Bulk, number: int, tasks: Sequence[NewTask], now_ms: int, most_waiting: int) -> int:
        """Settle the next `number` ids: create `tasks` for them, and count those without a task as failed.

        Returns as `end_tasks`. Raises Full, and nothing is settled, if more than `most_waiting` tasks would wait.
        """
        answer = self._scripts(
            "bulk_create",
            bulk_id=bulk.id,
            position=bulk.position,
            number=number,
            now_ms=now_ms,
            most_waiting=most_waiting,
            tasks=[value for task in tasks for value in task_values(task, now_ms)],
        )
        refusal(answer)
        return int(answer)

    def move_schedules(self, bulk: Bulk, seen: Sequence[SeenSchedule], now_ms: int) -> int:
        """Pause, resume or delete the next scheduled tasks. Returns as `end_tasks`, 0 also if one of them changed."""
        values: list[Any] = []
        for schedule in seen:
            values += (schedule.id, schedule.revision, "" if schedule.next_run_ms is None else schedule.next_run_ms)
        return int(
            self._scripts(
                "bulk_schedules",
                bulk_id=bulk.id,
                position=bulk.position,
                now_ms=now_ms,
                action=bulk.action,
                seen=values,
            )
        )

    def abort(self, bulk_id: str, now_ms: int) -> str:
        """End a bulk at its current position. Returns the status it had, "" if there is no such bulk."""
        return str(self._scripts("bulk_abort", bulk_id=bulk_id, now_ms=now_ms))


def _read(bulk_id: str, record: Mapping[str, str]) -> Bulk | None:
    if not record:
        return None
    return Bulk(
        id=bulk_id,
        of=Of(record["of"]),
        action=record["action"],
        filter=json.loads(record["filter"]) if "filter" in record else None,
        changes=json.loads(record["changes"]),
        created_ms=int(record["created_ms"]),
        matched=int(record["matched"]),
        done=int(record["done"]),
        failed=int(record["failed"]),
        status=BulkStatus(record["status"]),
        finished_ms=int(record["finished_ms"]) if "finished_ms" in record else None,
    )
