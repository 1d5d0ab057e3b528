"""Scheduled tasks in Redis."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.domain.alerts.watch import WatchState
from app.domain.fields import Kept, names_kept
from app.domain.names import Match, NamePattern
from app.domain.spec import ScheduleSpec
from app.domain.status import Kind, ScheduleStatus, Status
from app.store.admission import UNCONDITIONAL, Conditions, EarlierRequest, refusal
from app.store.arguments import checked_cursor, new_call, one_or_all
from app.store.bodies import write_body
from app.store.client import Client
from app.store.columns import SCHEDULE, dump_json
from app.store.keys import Keys
from app.store.listing import SCAN_PER_PAGE
from app.store.record import read_spec, record_of, write_spec
from app.store.scripts import Scripts
from app.store.tasks import NewTask, task_values


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduled task at the time it was read. Times are ms since 1970.

    spec: the stored fields of the spec, both those of its tasks and those that define when it fires. `revision` counts
    changes. fired_count: the firings that have created a task, without runs by hand. alert_state: what its alert rule
    knows, if it was read alone and there is a rule.
    """

    id: str
    kind: Kind
    status: ScheduleStatus
    created_ms: int
    updated_ms: int
    next_run_ms: int | None
    spec: Mapping[str, Any]
    run_count: int = 0
    fired_count: int = 0
    skipped_count: int = 0
    missed_count: int = 0
    last_outcome: Status | None = None
    failure_streak: int = 0
    succeeded_count: int = 0
    failed_count: int = 0
    last_task_id: str | None = None
    key: str | None = None
    revision: str = "1"
    alert_state: WatchState | None = None

    @property
    def name(self) -> str:
        """The name that its creator chose."""
        return str(self.spec["name"])

    @property
    def firings_left(self) -> int | None:
        """How many firings may still create a task (`max_runs`); None: any number."""
        max_runs = self.spec.get("max_runs")
        return None if max_runs is None else max(0, int(max_runs) - self.fired_count)


class ScheduleOrder(StrEnum):
    """In which order scheduled tasks are listed."""

    CREATED = "created"  # newest creation first
    NEXT_RUN = "next_run"  # earliest next firing first; only those that fire again


@dataclass(frozen=True, slots=True)
class ScheduleFilters:
    """Selects scheduled tasks for a list; None matches any. last_outcome: how its task that finished last has ended."""

    status: ScheduleStatus | None = None
    kind: Kind | None = None
    name: NamePattern | None = None
    tag: str | None = None
    last_outcome: Status | None = None


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """A page of a list; `cursor` is None on the last page."""

    items: list[Schedule]
    cursor: str | None


class ScheduleStore:
    """The scheduled tasks under one prefix. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def create(self, schedule: Schedule, now_ms: int, conditions: Conditions = UNCONDITIONAL) -> str | EarlierRequest:
        """Write an active scheduled task; its first firing is `next_run_ms`.

        Returns its id. If its key is taken, nothing is written and the id of the existing scheduled task is returned.
        If the conditions name an earlier request, that request is returned. Raises Full as TaskStore.create does.
        """
        answer = self._scripts(
            "schedule_put",
            schedule_id=schedule.id,
            now_ms=now_ms,
            kind=schedule.kind,
            next_run_ms=schedule.next_run_ms,
            name_key=schedule.key or "",
            **_kept(schedule),
            **conditions.values(schedule.id, now_ms),
        )
        return refusal(answer) or str(answer)

    def change(self, seen: Schedule, changed: Schedule, now_ms: int) -> bool:
        """Replace `seen` by `changed`. Returns False if another change or a firing came first."""
        return bool(
            self._scripts(
                "schedule_change",
                schedule_id=seen.id,
                now_ms=now_ms,
                seen_revision=seen.revision,
                seen_next_run_ms=_text(seen.next_run_ms),
                status=changed.status,
                kind=changed.kind,
                next_run_ms=_text(changed.next_run_ms),
                **_kept(changed),
            )
        )

    def id_of_key(self, key: str) -> str | None:
        """The id of the scheduled task with this key, or None."""
        found = self._client.get(self._keys.keyed(key))
        return None if found is None else str(found)

    def get(self, schedule_id: str) -> Schedule | None:
        """One scheduled task, or None."""
        record, alert_state, *beside = self._scripts("schedule_read", schedule_id=schedule_id)
        if not record:
            return None
        schedule = _read(schedule_id, record, *beside)
        state = WatchState.from_json(json.loads(alert_state)) if alert_state else None
        return replace(schedule, alert_state=state)

    def page(
        self,
        filters: ScheduleFilters,
        limit: int,
        cursor: str | None = None,
        order: ScheduleOrder = ScheduleOrder.CREATED,
    ) -> SchedulePage:
        """A page, as TaskListing.page: without the fields of their bodies.

        Raises ValueError for a cursor that no page in this order gave.
        """
        if order is ScheduleOrder.NEXT_RUN:
            return self._page_by_next_run(filters, limit, cursor)
        indexes = [
            self._keys.schedule_index(kind, status)
            for kind in one_or_all(filters.kind, Kind)
            for status in one_or_all(filters.status, ScheduleStatus)
        ]
        needs_scan = any(each is not None for each in (filters.name, filters.tag, filters.last_outcome))
        next_cursor, *rows = self._scripts(
            "schedule_list",
            before=checked_cursor(cursor) or "+inf",
            limit=limit,
            budget=SCAN_PER_PAGE if needs_scan else limit + 1,
            **_text_filters(filters),
            indexes=indexes,
        )
        return SchedulePage(_read_all(rows), next_cursor or None)

    def _page_by_next_run(self, filters: ScheduleFilters, limit: int, cursor: str | None) -> SchedulePage:
        after_ms, after_id = _place_of(cursor)
        if filters.status not in (None, ScheduleStatus.ACTIVE):
            return SchedulePage([], None)
        needs_scan = any(each is not None for each in (filters.kind, filters.name, filters.tag, filters.last_outcome))
        next_ms, next_id, *rows = self._scripts(
            "schedule_upcoming",
            after_ms=after_ms,
            after_id=after_id,
            limit=limit,
            budget=SCAN_PER_PAGE if needs_scan else limit + 1,
            kind=filters.kind or "",
            **_text_filters(filters),
        )
        return SchedulePage(_read_all(rows), f"{next_ms}.{UUID(next_id).hex}" if next_id else None)

    def move(
        self,
        schedule_id: str,
        now_ms: int,
        before: ScheduleStatus,
        after: ScheduleStatus,
        next_run_ms: int | None,
        seen_revision: str = "",
    ) -> tuple[str, str]:
        """Change the status if it is still `before`. Returns the status before and after; both "" if there is none.

        `seen_revision` is the one from which `next_run_ms` was computed. If there is a newer one, nothing is changed,
        and both are `before`.
        """
        was, now = self._scripts(
            "schedule_move",
            schedule_id=schedule_id,
            now_ms=now_ms,
            before=before,
            after=after,
            next_run_ms=_text(next_run_ms),
            seen_revision=seen_revision,
        )
        return was, now

    def retime(self, moves: Iterable[tuple[Schedule, int | None]], now_ms: int, zone_version: str) -> int:
        """Give scheduled tasks, as they were seen, another next firing; those without one end.

        Returns how many: one that was changed or has fired since stays as it is, and none goes back to a firing that
        was taken. `zone_version`: the version of the time zones that all next firings follow after this, "" if some do
        not yet.
        """
        values = [
            text
            for seen, next_run_ms in moves
            for text in (seen.id, seen.revision, _text(seen.next_run_ms), _text(next_run_ms))
        ]
        return int(self._scripts("schedule_retime", now_ms=now_ms, zone_version=zone_version, moves=values))

    def zone_version(self) -> str | None:
        """The version of the time zones by which all next firings were computed; None if there is not one for all."""
        return str(self._client.get(self._keys.zones) or "") or None

    def delete(self, schedule_id: str) -> bool:
        """Remove a scheduled task; False if there was none. Tasks that it created remain."""
        return bool(self._scripts("schedule_delete", schedule_id=schedule_id, call=new_call()))

    def run_now(
        self, schedule_id: str, task: NewTask, now_ms: int, conditions: Conditions = UNCONDITIONAL
    ) -> bool | EarlierRequest:
        """Create one task independently of the schedule's timing; False if the schedule is gone.

        Refuses as TaskStore.create does.
        """
        answer = self._scripts(
            "run_now",
            now_ms=now_ms,
            **conditions.values(task.id, now_ms),
            schedule_id=schedule_id,
            task=task_values(task, now_ms),
        )
        return refusal(answer) or bool(answer)


_TIMING = names_kept(ScheduleSpec, Kept.TIMING)
_NOT_OF_TASKS = frozenset(_TIMING) - frozenset(names_kept(ScheduleSpec, Kept.BODY))


def task_spec_of(schedule: Schedule) -> dict[str, Any]:
    """The spec of the schedule's tasks: all fields except those that only beat needs."""
    return {name: value for name, value in schedule.spec.items() if name not in _NOT_OF_TASKS}


def _kept(schedule: Schedule) -> dict[str, str]:
    """The stored form of the schedule's spec: the fields of the record, and the body, which its tasks share."""
    timing = {name: schedule.spec[name] for name in _TIMING if name in schedule.spec}
    body = write_body(task_spec_of(schedule))
    record = [*write_spec(schedule.spec), *body.record, SCHEDULE["timing"].short, dump_json(timing)]
    return {"record": dump_json(record), "body": body.beside, "program": body.program}


_NOT_OF_SCHEDULES = ("seq", "body", "program", "program_hash")
_BY_SHORT = {column.short: (name, column) for name, column in SCHEDULE.items()}


def _read(schedule_id: str, flat: Sequence[str], *beside: str) -> Schedule:
    values: dict[str, Any] = {}
    record = record_of(flat)
    for short, text in record.items():
        found = _BY_SHORT.get(short)
        if found is not None:
            values[found[0]] = found[1].read(text)
    for name in _NOT_OF_SCHEDULES:
        values.pop(name, None)
    spec = {**read_spec(record, *beside), **values.pop("timing")}
    run_count = values.get("fired_count", 0) + values.pop("manual_count", 0)
    return Schedule(id=schedule_id, spec=spec, run_count=run_count, **values)


def _read_all(rows: Sequence[Any]) -> list[Schedule]:
    return [_read(schedule_id, record) for schedule_id, record in zip(rows[::2], rows[1::2], strict=True)]


def _text_filters(filters: ScheduleFilters) -> dict[str, str]:
    return {
        "name": filters.name.text if filters.name else "",
        "match": filters.name.match if filters.name else Match.EXACT,
        "tag": filters.tag or "",
        "last_outcome": filters.last_outcome or "",
    }


_PLACE = re.compile(r"([0-9]{1,16})\.([0-9a-f]{32})", re.ASCII)


def _place_of(cursor: str | None) -> tuple[str, str]:
    """The next firing and the id of the scheduled task that a page by next firing ended with; both "" for None.

    Many fire in the same millisecond, so that the time alone is no place.
    """
    if cursor is None:
        return "", ""
    found = _PLACE.fullmatch(cursor)
    if found is None:
        raise ValueError("is not a cursor returned by a list in this order")
    return found[1], str(UUID(found[2]))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
