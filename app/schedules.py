"""Use cases of scheduled tasks, and the taking of their firings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.clock import Clock
from app.code_check import CodeChecker, code_problems
from app.dispatch import Dispatcher, template_of
from app.domain.cron import Cron, CronError, CronZoneError
from app.domain.errors import Conflict, InvalidSpec, NotFound, Problem
from app.domain.ids import firing_id, is_id, new_id
from app.domain.spec import parse_preview, parse_schedule
from app.domain.status import ScheduleStatus
from app.domain.times import to_datetime, to_ms
from app.store.record import Task
from app.store.schedules import Firing, Schedule, ScheduleFilters, SchedulePage
from app.store.store import Store

#: How far back the newest missed firing is looked for at first; eight times as far with each further try.
_FIRST_LOOK_BACK = timedelta(seconds=60)


class ScheduleService:
    """What can be done with scheduled tasks. Raises the errors of app/domain/errors.py."""

    def __init__(self, store: Store, dispatcher: Dispatcher, checker: CodeChecker, clock: Clock, timezone: str) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._checker = checker
        self._clock = clock
        self._timezone = timezone

    def create(self, raw: Any) -> Schedule:
        """Create the scheduled task that the JSON value `raw` describes."""
        now_ms = self._clock()
        spec = parse_schedule(raw, lambda fields: self._problems(fields, now_ms))
        cron = Cron(spec.cron_expression.strip(), spec.timezone or self._timezone)
        schedule = Schedule(
            id=new_id(now_ms),
            name=spec.name,
            kind=spec.kind,
            status=ScheduleStatus.ACTIVE,
            cron_expression=cron.expression,
            timezone=cron.timezone,
            created_ms=now_ms,
            updated_ms=now_ms,
            next_run_ms=next_run_ms(cron, now_ms),
            tags=spec.tags,
            spec=template_of(spec),
        )
        self._store.schedules.create(schedule, now_ms)
        return self.get(schedule.id)

    def _cron_problems(self, fields: Mapping[str, Any], now_ms: int) -> list[Problem]:
        """What is wrong with the expression, and with the zone, each by itself."""
        expression, timezone = fields.get("cron_expression"), fields.get("timezone", self._timezone)
        now, problems = to_datetime(now_ms), []
        if not isinstance(timezone, str) or not isinstance(expression, str):
            return []  # the model says so
        try:
            Cron.parse(expression, timezone, now=now)
        except CronZoneError as error:
            problems.append(Problem("timezone", str(error)))
            problems += self._cron_problems({"cron_expression": expression, "timezone": "UTC"}, now_ms)
        except CronError as error:
            problems.append(Problem("cron_expression", str(error)))
        return problems

    def _problems(self, fields: Mapping[str, Any], now_ms: int) -> list[Problem]:
        return [*self._cron_problems(fields, now_ms), *code_problems(fields, self._checker)]

    def preview(self, raw: Any) -> tuple[str, list[int]]:
        """The expression in words, and its next firings; creates nothing."""
        now_ms = self._clock()
        spec = parse_preview(raw, lambda fields: self._cron_problems(fields, now_ms))
        cron = Cron(spec.cron_expression.strip(), spec.timezone or self._timezone)
        return cron.describe(), upcoming_ms(cron, now_ms, spec.count)

    def get(self, schedule_id: str) -> Schedule:
        """One scheduled task."""
        schedule = self._store.schedules.get(schedule_id) if is_id(schedule_id) else None
        if schedule is None:
            raise NotFound("there is no such scheduled task")
        return schedule

    def list(self, filters: ScheduleFilters, limit: int, cursor: str | None) -> SchedulePage:
        """A page, newest first."""
        try:
            return self._store.schedules.page(filters, limit, cursor)
        except ValueError as error:
            raise InvalidSpec([Problem("cursor", str(error))]) from error

    def pause(self, schedule_id: str) -> Schedule:
        """No firing until it is resumed. Pausing a paused one changes nothing."""
        return self._move(schedule_id, ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED)

    def resume(self, schedule_id: str) -> Schedule:
        """Fire again, from now on. Resuming an active one changes nothing."""
        return self._move(schedule_id, ScheduleStatus.PAUSED, ScheduleStatus.ACTIVE)

    def _move(self, schedule_id: str, before: ScheduleStatus, after: ScheduleStatus) -> Schedule:
        schedule, now_ms = self.get(schedule_id), self._clock()
        cron = Cron(schedule.cron_expression, schedule.timezone)
        following = next_run_ms(cron, now_ms) if after is ScheduleStatus.ACTIVE else None
        _, status = self._store.schedules.move(schedule_id, now_ms, before, after, following)
        if status == "":
            raise NotFound("there is no such scheduled task")
        if status != after:
            raise Conflict(f"the scheduled task is {status}", status)
        return self.get(schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Remove it; tasks that it created stay."""
        if not (is_id(schedule_id) and self._store.schedules.delete(schedule_id)):
            raise NotFound("there is no such scheduled task")

    def run_now(self, schedule_id: str) -> Task:
        """One firing now, beside the schedule: the task it created."""
        schedule, now_ms = self.get(schedule_id), self._clock()
        task = self._dispatcher.from_schedule(schedule, new_id(now_ms), now_ms, now_ms)
        if not self._store.schedules.run_now(schedule_id, task, now_ms):
            raise NotFound("there is no such scheduled task")
        created = self._store.tasks.get(task.id)
        if created is None:
            raise NotFound("the task was deleted")
        return created

    def fire_due(self, limit: int) -> int:
        """Take up to `limit` due firings, each once whoever else does the same. Returns how many were due.

        A schedule that missed firings (nobody fired for a while) fires once, for the newest of them.
        """
        now_ms = self._clock()
        due = self._store.schedules.due(now_ms, limit)
        if not due:
            return 0
        schedules = self._store.schedules.get_many([schedule_id for schedule_id, _ in due])
        firings = [
            self._firing(schedule, seen_ms, now_ms)
            for schedule, (_, seen_ms) in zip(schedules, due, strict=True)
            if schedule is not None
        ]
        if firings:
            self._store.schedules.fire(firings, now_ms)
        return len(due)

    def _firing(self, schedule: Schedule, seen_ms: int, now_ms: int) -> Firing:
        cron = Cron(schedule.cron_expression, schedule.timezone)
        following = next_run_ms(cron, seen_ms)
        firing_ms = seen_ms
        if following is not None and following <= now_ms:
            firing_ms = newest_run_ms(cron, seen_ms, now_ms)
            following = next_run_ms(cron, now_ms)
        task_id = firing_id(schedule.id, firing_ms)
        task = self._dispatcher.from_schedule(schedule, task_id, firing_ms, now_ms)
        return Firing(schedule.id, seen_ms, following, task)


def next_run_ms(cron: Cron, after_ms: int) -> int | None:
    """The first firing strictly after `after_ms`."""
    following = cron.next_after(to_datetime(after_ms))
    return None if following is None else to_ms(following)


def upcoming_ms(cron: Cron, after_ms: int, count: int) -> list[int]:
    """The next `count` firings after `after_ms`."""
    return [to_ms(firing) for firing in cron.upcoming(to_datetime(after_ms), count)]


def newest_run_ms(cron: Cron, first_ms: int, now_ms: int) -> int:
    """The newest firing at or before `now_ms`; `first_ms` is one.

    Looks back from now in growing steps, so the work stays small however long nobody fired.
    """
    now, first = to_datetime(now_ms), to_datetime(first_ms)
    look_back = _FIRST_LOOK_BACK
    while True:
        start = max(first, now - look_back)
        newest = first if start == first else None
        following = cron.next_after(start)
        while following is not None and following <= now:
            newest, following = following, cron.next_after(following)
        if newest is not None:
            return to_ms(newest)
        look_back *= 8
