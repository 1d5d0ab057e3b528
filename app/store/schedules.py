"""Scheduled tasks in Redis, and their firings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.status import Kind, ScheduleStatus
from app.store.admission import ANY_TERMS, Remembered, Terms, refusal
from app.store.arguments import checked_cursor, flat, one_or_all
from app.store.client import Client
from app.store.keys import Keys
from app.store.record import dump_json, pairs
from app.store.scripts import Scripts
from app.store.tasks import SCAN_PER_CALL, NewTask, creation_args


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduled task as it stood when it was read. Times are ms since 1970.

    `spec` is what its tasks are made of and how it fires; `revision` counts its changes.
    """

    id: str
    name: str
    kind: Kind
    status: ScheduleStatus
    cron_expression: str
    timezone: str
    created_ms: int
    updated_ms: int
    next_run_ms: int | None
    run_count: int = 0
    skipped_count: int = 0
    missed_count: int = 0
    last_task_id: str | None = None
    key: str | None = None
    tags: Sequence[str] = ()
    revision: str = "1"
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScheduleFilters:
    """Which scheduled tasks to list; None: any."""

    status: ScheduleStatus | None = None
    kind: Kind | None = None
    name: str | None = None
    name_is_prefix: bool = False
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Some of a list; `cursor` is None at its end."""

    items: list[Schedule]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Firings:
    """The due firings of one schedule: what was seen of it, and what is to be done.

    `tasks`: (ms of the firing, the task that it creates). `missed`: ms of firings that are only written down.
    """

    schedule: Schedule
    following_ms: int | None
    overlap: str
    max_runs: int | None
    missed: Sequence[int]
    tasks: Sequence[tuple[int, NewTask]]


@dataclass(frozen=True, slots=True)
class FiringNote:
    """What became of a firing: `created`, `skipped_overlap` or `missed`."""

    at_ms: int
    outcome: str
    task_id: str | None


class ScheduleStore:
    """The scheduled tasks under one prefix. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def create(self, schedule: Schedule, now_ms: int, terms: Terms = ANY_TERMS) -> str | Remembered:
        """Write an active scheduled task; its first firing is `next_run_ms`.

        Returns its id, or that of the scheduled task which has its key already (then nothing was written), or the
        earlier request that the terms name. Raises Full as TaskStore.create does.
        """
        fields = _fields(schedule)
        answer = self._scripts(
            "schedule_put",
            schedule.id,
            now_ms,
            schedule.kind,
            schedule.next_run_ms,
            schedule.key or "",
            dump_json(schedule.spec),
            dump_json(list(schedule.tags)) if schedule.tags else "",
            *terms.args(schedule.id, now_ms),
            len(fields),
            *flat(fields),
        )
        return refusal(answer) or str(answer)

    def change(self, seen: Schedule, changed: Schedule, now_ms: int) -> bool:
        """seen -> changed; False where it is no longer as it was seen (another change, or a firing, was first)."""
        fields = _fields(changed)
        return bool(
            self._scripts(
                "schedule_change",
                seen.id,
                now_ms,
                seen.revision,
                _or_empty(seen.next_run_ms),
                changed.status,
                changed.kind,
                _or_empty(changed.next_run_ms),
                dump_json(changed.spec),
                dump_json(list(changed.tags)),
                len(fields),
                *flat(fields),
            )
        )

    def id_of_key(self, key: str) -> str | None:
        """The id of the scheduled task with this key."""
        found = self._client.get(self._keys.keyed(key))
        return None if found is None else str(found)

    def get(self, schedule_id: str) -> Schedule | None:
        """One, or None."""
        return self.get_many([schedule_id])[0]

    def get_many(self, schedule_ids: Sequence[str]) -> list[Schedule | None]:
        """Several in one round trip, in order."""
        answers = json.loads(self._scripts("schedule_read", *schedule_ids))
        return [
            _read(schedule_id, pairs(fields), spec) if fields else None
            for schedule_id, fields, spec in zip(schedule_ids, answers[::2], answers[1::2], strict=True)
        ]

    def page(self, filters: ScheduleFilters, limit: int, cursor: str | None = None) -> SchedulePage:
        """Newest first; as TaskStore.list."""
        leaves = [
            self._keys.schedule_leaf(kind, status)
            for kind in one_or_all(filters.kind, Kind)
            for status in one_or_all(filters.status, ScheduleStatus)
        ]
        needs_scan = filters.name is not None or filters.tag is not None
        next_cursor, *rows = self._scripts(
            "schedule_list",
            checked_cursor(cursor) or "+inf",
            limit,
            SCAN_PER_CALL if needs_scan else limit + 1,
            filters.name or "",
            int(filters.name_is_prefix),
            filters.tag or "",
            len(leaves),
            *leaves,
        )
        items = [
            _read(schedule_id, pairs(record), spec)
            for schedule_id, record, spec in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        ]
        return SchedulePage(items, next_cursor or None)

    def move(
        self,
        schedule_id: str,
        now_ms: int,
        before: ScheduleStatus,
        after: ScheduleStatus,
        next_run_ms: int | None,
    ) -> tuple[str, str]:
        """Change the status if it still is `before`. Returns status before and now, both "" for none."""
        was, now = self._scripts(
            "schedule_move",
            schedule_id,
            now_ms,
            before,
            after,
            "" if next_run_ms is None else next_run_ms,
        )
        return was, now

    def delete(self, schedule_id: str) -> bool:
        """Remove it; False where there was none. Tasks that it created stay."""
        return bool(self._scripts("schedule_delete", schedule_id))

    def due(self, now_ms: int, limit: int) -> list[tuple[str, int]]:
        """(schedule id, next firing ms) of those due by `now_ms`, the most overdue first."""
        return self._client.by_score(self._keys.cron, "-inf", now_ms, limit)

    def next_due_ms(self) -> int | None:
        """The time of the next firing of all, or None."""
        first = self._client.first(self._keys.cron)
        return first[1] if first else None

    def fire(self, due: Sequence[Firings], now_ms: int) -> int:
        """Take firings, each only if nobody else has and nobody changed the schedule. Returns the schedules taken."""
        args: list[Any] = [now_ms, len(due)]
        for firings in due:
            args += [
                firings.schedule.id,
                firings.schedule.next_run_ms,
                firings.schedule.revision,
                _or_empty(firings.following_ms),
                firings.overlap,
                _or_empty(firings.max_runs),
                len(firings.missed),
                len(firings.tasks),
                *firings.missed,
            ]
            for at_ms, task in firings.tasks:
                args += [at_ms, *creation_args(task, now_ms)]
        # As one string: to pack thousands of small arguments takes longer than all the rest.
        return int(self._scripts("fire", json.dumps([str(arg) for arg in args], ensure_ascii=False)))

    def firings(self, schedule_id: str, limit: int, cursor: str | None) -> tuple[list[FiringNote], str | None]:
        """What became of the newest firings, newest first, and a cursor, None at the end."""
        offset = int(checked_cursor(cursor) or "0")
        key = f"{self._keys.schedule(schedule_id)}:firings"
        found: Any = self._client.zrange(key, offset, offset + limit, desc=True)
        notes = [_note(str(member)) for member in found[:limit]]
        return notes, str(offset + limit) if len(found) > limit else None

    def run_now(self, schedule_id: str, task: NewTask, now_ms: int, terms: Terms = ANY_TERMS) -> bool | Remembered:
        """One firing beside the schedule; False where it is gone. Refuses as TaskStore.create does."""
        args = (*terms.args(task.id, now_ms), schedule_id, *creation_args(task, now_ms))
        answer = self._scripts("run_now", now_ms, *args)
        return refusal(answer) or bool(answer)


def _or_empty(number: int | None) -> int | str:
    return "" if number is None else number


def _fields(schedule: Schedule) -> dict[str, Any]:
    return {"n": schedule.name, "ce": schedule.cron_expression, "tz": schedule.timezone}


def _note(member: str) -> FiringNote:
    at_ms, outcome, task_id = member.split(":", 2)
    return FiringNote(int(at_ms), outcome, task_id or None)


def _read(schedule_id: str, fields: dict[str, str], spec: str | None) -> Schedule:
    return Schedule(
        id=schedule_id,
        name=fields["n"],
        kind=Kind(fields["k"]),
        status=ScheduleStatus(fields["st"]),
        cron_expression=fields["ce"],
        timezone=fields["tz"],
        created_ms=int(fields["cr"]),
        updated_ms=int(fields["up"]),
        next_run_ms=int(fields["nx"]) if fields["nx"] else None,
        run_count=int(fields["runs"]),
        skipped_count=int(fields.get("skipped", 0)),
        missed_count=int(fields.get("missed", 0)),
        key=fields.get("key"),
        revision=fields["rv"],
        last_task_id=fields.get("last"),
        tags=json.loads(fields.get("tg", "[]")),
        spec=json.loads(spec or "{}"),
    )
