"""Scheduled tasks in Redis, and their firings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.domain.status import Kind, ScheduleStatus
from app.store.admission import UNCONDITIONAL, Conditions, EarlierRequest, refusal
from app.store.arguments import checked_cursor, flat, one_or_all
from app.store.client import Client
from app.store.keys import Keys
from app.store.messages import MessageTemplate
from app.store.record import dump_json, pairs, shown_number
from app.store.scripts import Scripts
from app.store.tasks import SCAN_PER_CALL, NewTask, creation_args


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduled task as it stood when it was read. Times are ms since 1970.

    `timeout`, `max_retries`, `priority`, `tags` and `spec` are those of its tasks; `terms` say how it fires beside
    its expression. `revision` counts its changes.
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
    timeout: float = 30
    max_retries: int = 0
    priority: int = 5
    tags: Sequence[str] = ()
    revision: str = "1"
    terms: dict[str, Any] = field(default_factory=dict)
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


class DueSchedule(NamedTuple):
    """What beat needs to know of a scheduled task that is due, as text: so many may be shared by one look at it."""

    id: str
    next_run_ms: str
    revision: str
    kind: str
    priority: str
    terms_json: str


class Firing(NamedTuple):
    """A firing that creates a task: its own time, when the task is due, and the message, None where that is later."""

    at_ms: int
    due_ms: int
    task_id: str
    template: MessageTemplate | None


class Firings(NamedTuple):
    """The due firings of one schedule: what was seen of it, and what is to be done.

    `missed`: ms of firings that are only written down.
    """

    schedule_id: str
    seen_ms: int | str
    seen_revision: str
    following_ms: int | None
    overlap: str
    max_runs: int | None
    missed: Sequence[int]
    firings: Sequence[Firing]


OUTCOMES = ("created", "missed", "skipped_overlap")  # as their names sort
_PLACES = 10  # for the outcomes of one ms, each there once at most


@dataclass(frozen=True, slots=True)
class FiringNote:
    """What became of a firing: one of OUTCOMES."""

    at_ms: int
    outcome: str
    task_id: str | None

    @property
    def place(self) -> int:
        """Grows along the list of firings, in which those of one ms are sorted by name."""
        return self.at_ms * _PLACES + OUTCOMES.index(self.outcome)


class ScheduleStore:
    """The scheduled tasks under one prefix. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def create(self, schedule: Schedule, now_ms: int, conditions: Conditions = UNCONDITIONAL) -> str | EarlierRequest:
        """Write an active scheduled task; its first firing is `next_run_ms`.

        Returns its id, or that of the scheduled task which has its key already (then nothing was written), or the
        earlier request that the conditions name. Raises Full as TaskStore.create does.
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
            *conditions.args(schedule.id, now_ms),
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
                _text(seen.next_run_ms),
                changed.status,
                changed.kind,
                _text(changed.next_run_ms),
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
        fields, spec = self._scripts("schedule_read", schedule_id)
        return _read(schedule_id, pairs(fields), spec) if fields else None

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

    def due(self, now_ms: int, limit: int) -> list[DueSchedule]:
        """Those with a firing due by `now_ms`, the most overdue first."""
        found = iter(json.loads(self._scripts("schedule_due", now_ms, limit)))
        return list(map(DueSchedule, *[found] * len(DueSchedule._fields)))

    def next_due_ms(self) -> int | None:
        """The time of the next firing of all, or None."""
        first = self._client.first(self._keys.cron)
        return first[1] if first else None

    def fire(self, due: Sequence[Firings], now_ms: int) -> int:
        """Take firings, each only if nobody else has and nobody changed the schedule. Returns the schedules taken."""
        return self.fire_each([due], now_ms)

    def fire_each(self, batches: Iterable[Sequence[Firings]], now_ms: int) -> int:
        """The same for several batches, one write each. The next one is made while Redis writes the one before."""
        return sum(map(int, self._scripts.each("fire", (_packed(due, now_ms) for due in batches))))

    def firings(self, schedule_id: str, limit: int, cursor: str | None) -> tuple[list[FiringNote], str | None]:
        """What became of the newest firings, newest first, and a cursor, None at the end.

        What is fired meanwhile moves nothing from one page to another.
        """
        before = checked_cursor(cursor)
        key, newest, number = f"{self._keys.schedule(schedule_id)}:firings", "+inf", limit + 1
        if before:
            newest, number = str(int(before) // _PLACES), number + _PLACES
        found: Any = self._client.zrange(key, newest, "-inf", desc=True, byscore=True, offset=0, num=number)
        notes = [note for note in map(_note, found) if not before or note.place < int(before)]
        return notes[:limit], str(notes[limit - 1].place) if len(notes) > limit else None

    def run_now(
        self, schedule_id: str, task: NewTask, now_ms: int, conditions: Conditions = UNCONDITIONAL
    ) -> bool | EarlierRequest:
        """One firing beside the schedule; False where it is gone. Refuses as TaskStore.create does."""
        args = (*conditions.args(task.id, now_ms), schedule_id, *creation_args(task, now_ms))
        answer = self._scripts("run_now", now_ms, *args)
        return refusal(answer) or bool(answer)


def _packed(due: Sequence[Firings], now_ms: int) -> str:
    """Firings as `fire.lua` reads them."""
    templates = _Templates()
    asked: list[Any] = [str(now_ms), templates.seen, sum(len(one.firings) for one in due)]
    for one in due:
        asked += (
            one.schedule_id,
            str(one.seen_ms),
            one.seen_revision,
            _text(one.following_ms),
            one.overlap,
            _text(one.max_runs),
            len(one.missed),
            len(one.firings),
            *map(str, one.missed),
        )
        for at_ms, due_ms, task_id, template in one.firings:
            asked += (str(at_ms), str(due_ms), task_id, templates.number(template))
    return dump_json(asked)


class _Templates:
    """The templates of one call, each written once."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self._numbers: dict[MessageTemplate, int] = {}

    def number(self, template: MessageTemplate | None) -> int:
        """The number of a template, 0 for none."""
        if template is None:
            return 0
        number = self._numbers.get(template)
        if number is None:
            self.seen.append([template.queue_key, *template.parts])
            number = self._numbers[template] = len(self.seen)
        return number


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _fields(schedule: Schedule) -> dict[str, Any]:
    return {
        "n": schedule.name,
        "te": dump_json({"cron_expression": schedule.cron_expression, "timezone": schedule.timezone, **schedule.terms}),
        "mr": schedule.max_retries,
        "to": schedule.timeout,
        "p": schedule.priority,
        "ol": schedule.spec.get("on_worker_lost", ""),
    }


def _note(member: str) -> FiringNote:
    at_ms, outcome, task_id = member.split(":", 2)
    return FiringNote(int(at_ms), outcome, task_id or None)


def _read(schedule_id: str, fields: dict[str, str], spec: str | None) -> Schedule:
    terms = json.loads(fields["te"])
    return Schedule(
        id=schedule_id,
        name=fields["n"],
        kind=Kind(fields["k"]),
        status=ScheduleStatus(fields["st"]),
        cron_expression=terms.pop("cron_expression"),
        timezone=terms.pop("timezone"),
        created_ms=int(fields["cr"]),
        updated_ms=int(fields["up"]),
        next_run_ms=int(fields["nx"]) if fields["nx"] else None,
        run_count=int(fields.get("fired", 0)) + int(fields.get("manual", 0)),
        skipped_count=int(fields.get("skipped", 0)),
        missed_count=int(fields.get("missed", 0)),
        key=fields.get("key"),
        revision=fields["rv"],
        last_task_id=fields.get("last"),
        timeout=shown_number(float(fields["to"])),
        max_retries=int(fields["mr"]),
        priority=int(fields["p"]),
        tags=json.loads(fields.get("tg", "[]")),
        terms=terms,
        spec=json.loads(spec or "{}"),
    )
