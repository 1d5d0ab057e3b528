"""Firings of scheduled tasks in Redis: finds due firings, executes them once, and records the outcome of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.store.arguments import checked_cursor
from app.store.client import Client
from app.store.columns import SPEC, dump_json
from app.store.keys import Keys
from app.store.messages import MessageTemplate
from app.store.scripts import Scripts


class DueSchedule(NamedTuple):
    """A due scheduled task as beat needs it. Values are text, because beat caches texts that thousands share."""

    id: str
    next_run_ms: str
    revision: str
    kind: str
    priority_text: str | None
    created_ms: str
    timing_json: str

    @property
    def priority(self) -> int:
        """The priority of its tasks."""
        column = SPEC["priority"]
        return int(column.default if self.priority_text is None else column.read(self.priority_text))


class Firing(NamedTuple):
    """A firing that creates a task: its time, the task's due time, and the message, or None if it is sent later."""

    at_ms: int
    due_ms: int
    task_id: str
    template: MessageTemplate | None


class Firings(NamedTuple):
    """The due firings of one schedule: the state that was seen, and what to do.

    `missed`: times, in ms, of firings that are only recorded as missed.
    """

    schedule_id: str
    seen_ms: int | str
    seen_revision: str
    following_ms: int | None
    overlap: str
    max_runs: int | None
    missed: Sequence[int]
    firings: Sequence[Firing]


OUTCOMES = ("created", "missed", "skipped_overlap")  # sorted by name
_PLACES = 10  # per ms, for its outcomes; each occurs at most once


@dataclass(frozen=True, slots=True)
class FiringRecord:
    """The outcome of a firing: one of OUTCOMES."""

    at_ms: int
    outcome: str
    task_id: str | None

    @property
    def place(self) -> int:
        """Position in the list of firings. Firings of the same ms are sorted by outcome."""
        return self.at_ms * _PLACES + OUTCOMES.index(self.outcome)


class FiringStore:
    """The firings under one prefix. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def due(self, now_ms: int, limit: int) -> list[DueSchedule]:
        """Scheduled tasks with a firing due by `now_ms`, most overdue first."""
        found = iter(json.loads(self._scripts("schedule_due", now_ms=now_ms, limit=limit)))
        return list(map(DueSchedule, *[found] * len(DueSchedule._fields)))

    def next_due_ms(self) -> int | None:
        """The time of the next firing of any schedule, in ms, or None."""
        first = self._client.first(self._keys.cron)
        return first[1] if first else None

    def fire(self, due: Sequence[Firings], now_ms: int) -> int:
        """Execute firings, unless their schedule changed or fired meanwhile. Returns the number of schedules fired."""
        return self.fire_each([due], now_ms)

    def fire_each(
        self, batches: Iterable[Sequence[Firings]], now_ms: int, has_room: Callable[[], bool] = lambda: True
    ) -> int:
        """As `fire`, for several batches with one write each. A batch is built while Redis writes the previous one.

        Ends before the first write for which `has_room` says that there is none; what is not written stays due.
        """
        written, taken = self._scripts.each("fire", (_packed(due, now_ms) for due in batches)), 0
        while has_room() and (answer := next(written, None)) is not None:
            taken += int(answer)
        return taken

    def page(self, schedule_id: str, limit: int, cursor: str | None) -> tuple[list[FiringRecord], str | None]:
        """A page of a schedule's firings, newest first, and the next cursor, None at the end.

        New firings don't shift records between pages. Raises ValueError for an invalid cursor.
        """
        before = checked_cursor(cursor)
        key, newest, number = self._keys.firings(schedule_id), "+inf", limit + 1
        if before:
            newest, number = str(int(before) // _PLACES), number + _PLACES
        found: Any = self._client.zrange(key, newest, "-inf", desc=True, byscore=True, offset=0, num=number)
        records = [record for record in map(read_firing, found) if not before or record.place < int(before)]
        return records[:limit], str(records[limit - 1].place) if len(records) > limit else None


def _packed(due: Sequence[Firings], now_ms: int) -> str:
    """Firings in the format of `fire.lua`, including the names of the tuple positions."""
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
    """The values of a Firings, in the order of its fields. Large numbers are text, so that Lua keeps them exact."""
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
    """The distinct templates of one call."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self._numbers: dict[MessageTemplate, int] = {}

    def number(self, template: MessageTemplate | None) -> int:
        """The number of a template, counted from 1; 0 for None."""
        if template is None:
            return 0
        number = self._numbers.get(template)
        if number is None:
            self.seen.append([template.queue_key, *template.parts])
            number = self._numbers[template] = len(self.seen)
        return number


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def read_firing(member: str) -> FiringRecord:
    """A firing in the format of `record_firing` in `fire.lua`."""
    at_ms, outcome, task_id = member.split(":", 2)
    return FiringRecord(int(at_ms), outcome, task_id or None)
