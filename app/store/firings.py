"""Firings of scheduled tasks in Redis: what is due, the taking of it, and the record of what became of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.store.arguments import checked_cursor
from app.store.client import Client
from app.store.columns import SPEC, dump_json
from app.store.keys import Keys
from app.store.messages import MessageTemplate
from app.store.scripts import Scripts


class DueSchedule(NamedTuple):
    """What beat needs to know of a scheduled task that is due, as text: beat caches what thousands have in common."""

    id: str
    next_run_ms: str
    revision: str
    kind: str
    priority_text: str | None
    created_ms: str
    timing_json: str

    @property
    def priority(self) -> int:
        """That of its tasks."""
        column = SPEC["priority"]
        return int(column.default if self.priority_text is None else column.read(self.priority_text))


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
class FiringRecord:
    """What became of a firing: one of OUTCOMES."""

    at_ms: int
    outcome: str
    task_id: str | None

    @property
    def place(self) -> int:
        """Grows along the list of firings, in which those of one ms are sorted by name."""
        return self.at_ms * _PLACES + OUTCOMES.index(self.outcome)


class FiringStore:
    """The firings under one prefix. Thread-safe; raises Unavailable where Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def due(self, now_ms: int, limit: int) -> list[DueSchedule]:
        """Scheduled tasks with a firing due by `now_ms`, the most overdue first."""
        found = iter(json.loads(self._scripts("schedule_due", now_ms=now_ms, limit=limit)))
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

    def page(self, schedule_id: str, limit: int, cursor: str | None) -> tuple[list[FiringRecord], str | None]:
        """What became of a schedule's newest firings, newest first, and a cursor, None at the end.

        What is fired meanwhile moves nothing from one page to another. Raises ValueError where it is no such cursor.
        """
        before = checked_cursor(cursor)
        key, newest, number = f"{self._keys.schedule(schedule_id)}:firings", "+inf", limit + 1
        if before:
            newest, number = str(int(before) // _PLACES), number + _PLACES
        found: Any = self._client.zrange(key, newest, "-inf", desc=True, byscore=True, offset=0, num=number)
        records = [record for record in map(_read, found) if not before or record.place < int(before)]
        return records[:limit], str(records[limit - 1].place) if len(records) > limit else None


def _packed(due: Sequence[Firings], now_ms: int) -> str:
    """Firings as `fire.lua` reads them: the names of the places go with them."""
    templates = _Templates()
    schedules = [_schedule_values(one, templates) for one in due]
    return dump_json(
        {
            "now_ms": str(now_ms),
            "firings": sum(len(one.firings) for one in due),
            "templates": templates.seen,
            "schedules": schedules,
            "schedule_places": Firings._fields,
            "firing_places": Firing._fields,
        }
    )


def _schedule_values(one: Firings, templates: _Templates) -> tuple[Any, ...]:
    """The values of a Firings, in the order of its fields. Lua keeps numbers of this size as text."""
    return (
        one.schedule_id,
        str(one.seen_ms),
        one.seen_revision,
        _text(one.following_ms),
        one.overlap,
        _text(one.max_runs),
        list(map(str, one.missed)),
        [
            (str(at_ms), str(due_ms), task_id, templates.number(template))
            for at_ms, due_ms, task_id, template in one.firings
        ],
    )


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


def _read(member: str) -> FiringRecord:
    at_ms, outcome, task_id = member.split(":", 2)
    return FiringRecord(int(at_ms), outcome, task_id or None)
