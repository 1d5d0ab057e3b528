"""Use cases of scheduled tasks. app/usecases/firing.py takes their firings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from app.clock import Clock
from app.domain.cron import EXAMPLE_ID
from app.domain.errors import Conflict, InvalidSpec, NotFound, Problem, problem_with
from app.domain.fields import with_hidden_values
from app.domain.firings import Rule
from app.domain.idempotency import RequestKey
from app.domain.ids import is_id, new_id
from app.domain.kinds.kind import no_problems
from app.domain.schedule_key import RULE, is_schedule_key
from app.domain.spec import Rules, ScheduleSpec, kept_fields, merged, parse_preview, parse_schedule
from app.domain.status import ScheduleStatus
from app.store.admission import EarlierRequest
from app.store.firings import FiringRecord
from app.store.record import Task
from app.store.schedules import Schedule, ScheduleFilters, ScheduleOrder, SchedulePage
from app.store.store import Store
from app.store.tasks import as_created
from app.usecases.admission import Admission, same_request
from app.usecases.changes import CHANGE_TRIES
from app.usecases.code_check import CodeChecker, code_problems
from app.usecases.dispatch import Dispatcher
from app.usecases.timing import make_rule, timing_problems


class ScheduleService:
    """The operations on scheduled tasks. They raise the errors of app/domain/errors.py."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        checker: CodeChecker,
        admission: Admission,
        clock: Clock,
        timezone: str,
        alert_problems: Rules = no_problems,
    ) -> None:
        self._store = store
        self._admission = admission
        self._dispatcher = dispatcher
        self._checker = checker
        self._clock = clock
        self._timezone = timezone
        self._alert_problems = alert_problems

    # --- create and change ----------------------------------------------------------------------

    def create(self, raw: Any) -> Schedule:
        """Create the scheduled task that the JSON value `raw` describes."""
        return self.create_once(raw, None)[0]

    def create_once(self, raw: Any, key: RequestKey | None) -> tuple[Schedule, bool]:
        """Create a scheduled task, unless an earlier request with this key did.

        Returns the scheduled task as it was created, and whether an earlier request created it. Raises KeyReused if
        the key came with a different body.
        """
        earlier = self._admission.earlier(key)
        if earlier is None:
            now_ms = self._clock()
            schedule_id = new_id(now_ms)
            made = self._made_of(self._parse(raw, schedule_id, now_ms), schedule_id, now_ms)
            created = self._store.schedules.create(made, now_ms, self._admission.for_schedule(now_ms, key))
            if not isinstance(created, EarlierRequest):
                return made, False
            earlier = same_request(key, created)
        # A channel may be gone since the first request.
        spec = self._parse(raw, earlier.created_id, earlier.now_ms, alert_problems=no_problems)
        return self._made_of(spec, earlier.created_id, earlier.now_ms), True

    def put(self, key: str, raw: Any) -> tuple[Schedule, bool]:
        """Create the scheduled task with this key, or change it to `raw`. Returns it and whether it is new."""
        if not is_schedule_key(key):
            raise InvalidSpec([Problem("key", RULE)])
        for _ in range(CHANGE_TRIES):
            existing_id = self._store.schedules.id_of_key(key)
            if existing_id is not None:
                with suppress(NotFound):  # deleted in the meantime: create it
                    return self._change(existing_id, lambda schedule: _with_hidden(raw, schedule)), False
                continue
            now_ms = self._clock()
            schedule_id = new_id(now_ms)
            made = replace(self._made_of(self._parse(raw, schedule_id, now_ms), schedule_id, now_ms), key=key)
            if self._store.schedules.create(made, now_ms, self._admission.for_schedule(now_ms)) == made.id:
                return made, True
        raise Conflict("the scheduled task is being changed; try again", ScheduleStatus.ACTIVE)

    def patch(self, schedule_id: str, changes: Any) -> Schedule:
        """Change some fields. A changed expression or time zone counts from now. Null gives a field its default."""
        return self._change(schedule_id, lambda schedule: merged(dict(schedule.spec), changes))

    def _change(self, schedule_id: str, raw_for: Callable[[Schedule], Any]) -> Schedule:
        for _ in range(CHANGE_TRIES):
            seen, now_ms = self.get(schedule_id), self._clock()
            spec = self._parse(raw_for(seen), seen.id, now_ms, seen)
            changed = self._changed(seen, self._made_of(spec, seen.id, now_ms, seen.created_ms))
            if is_same(seen, changed):
                return seen
            if self._store.schedules.change(seen, changed, now_ms):
                return self.get(schedule_id)
        raise Conflict("the scheduled task is being changed; try again", seen.status)

    def _changed(self, seen: Schedule, made: Schedule) -> Schedule:
        """Return `made` as the successor of `seen`. It keeps the next firing if the rule is unchanged."""
        if seen.status is ScheduleStatus.PAUSED:
            return replace(made, status=ScheduleStatus.PAUSED, next_run_ms=None)
        made = replace(made, fired_count=seen.fired_count)
        if seen.next_run_ms is not None and rule_of(seen) == rule_of(made):
            made = replace(made, next_run_ms=seen.next_run_ms)
        if made.next_run_ms is None or made.firings_left == 0:
            return replace(made, status=ScheduleStatus.ENDED, next_run_ms=None)
        return made

    def _made_of(self, spec: ScheduleSpec, schedule_id: str, now_ms: int, created_ms: int | None = None) -> Schedule:
        schedule = Schedule(
            id=schedule_id,
            kind=spec.kind,
            status=ScheduleStatus.ACTIVE,
            created_ms=now_ms if created_ms is None else created_ms,
            updated_ms=now_ms,
            next_run_ms=None,
            spec={**kept_fields(spec), "timezone": spec.timezone or self._timezone},
        )
        return replace(schedule, next_run_ms=rule_of(schedule).next_after(now_ms))

    def _parse(
        self,
        raw: Any,
        schedule_id: str,
        now_ms: int,
        seen: Schedule | None = None,
        alert_problems: Rules | None = None,
    ) -> ScheduleSpec:
        before, created_ms = (None, None) if seen is None else (seen.spec, seen.created_ms)

        def inspect(fields: dict[str, Any]) -> list[Problem]:
            problems = timing_problems(self._in_zone(fields), schedule_id, now_ms, before, created_ms)
            keeps_rule = before is not None and fields.get("alert") == before.get("alert")
            # The channels of a rule that stays may be gone.
            of_alert = [] if keeps_rule else (alert_problems or self._alert_problems)(fields)
            return [*problems, *code_problems(fields, self._checker), *of_alert]

        return parse_schedule(raw, inspect)

    def _in_zone(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields with the service's time zone if they name none."""
        return {"timezone": self._timezone, **fields}

    # --- read -----------------------------------------------------------------------------------

    def preview(self, raw: Any) -> tuple[str, list[int]]:
        """Describe an expression or interval and list its next firings. Creates nothing."""
        now_ms = self._clock()
        spec = parse_preview(raw, lambda fields: timing_problems(self._in_zone(fields), EXAMPLE_ID, now_ms))
        fields = {**spec.model_dump(), "timezone": spec.timezone or self._timezone}
        rule = make_rule(fields, EXAMPLE_ID, now_ms)
        return rule.timing.describe(), rule.upcoming(now_ms, spec.count)

    def get(self, schedule_id: str) -> Schedule:
        """Return one scheduled task."""
        schedule = self._store.schedules.get(schedule_id) if is_id(schedule_id) else None
        if schedule is None:
            raise NotFound("scheduled task not found")
        return schedule

    def page(
        self, filters: ScheduleFilters, limit: int, cursor: str | None, order: ScheduleOrder = ScheduleOrder.CREATED
    ) -> SchedulePage:
        """Return one page."""
        with problem_with("cursor"):
            return self._store.schedules.page(filters, limit, cursor, order)

    def firings(self, schedule_id: str, limit: int, cursor: str | None) -> tuple[list[FiringRecord], str | None]:
        """Return the records of its firings, newest first, and the cursor of the next page."""
        self.get(schedule_id)
        with problem_with("cursor"):
            return self._store.firings.page(schedule_id, limit, cursor)

    # --- status ---------------------------------------------------------------------------------

    def pause(self, schedule_id: str) -> Schedule:
        """Pause it: it does not fire until it is resumed. Pausing a paused one changes nothing."""
        return self._move(schedule_id, ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED)

    def resume(self, schedule_id: str) -> Schedule:
        """Resume it: it fires again from now on. Resuming an active one changes nothing."""
        return self._move(schedule_id, ScheduleStatus.PAUSED, ScheduleStatus.ACTIVE)

    def _move(self, schedule_id: str, before: ScheduleStatus, after: ScheduleStatus) -> Schedule:
        for _ in range(CHANGE_TRIES):
            seen, now_ms = self.get(schedule_id), self._clock()
            following = following_ms(seen, now_ms) if after is ScheduleStatus.ACTIVE else None
            goal = ScheduleStatus.ENDED if after is ScheduleStatus.ACTIVE and following is None else after
            _, status = self._store.schedules.move(schedule_id, now_ms, before, goal, following, seen.revision)
            if status == "":
                raise NotFound("scheduled task not found")
            if status in (after, goal):
                return self.get(schedule_id)
            if status != before:
                raise Conflict(f"the scheduled task is {status}", status)
        raise Conflict("the scheduled task is being changed; try again", before)

    def delete(self, schedule_id: str) -> None:
        """Remove it. The tasks that it created stay."""
        if not (is_id(schedule_id) and self._store.schedules.delete(schedule_id)):
            raise NotFound("scheduled task not found")

    def run_now(self, schedule_id: str) -> Task:
        """Create one task now, outside the schedule."""
        return self.run_now_once(schedule_id, None)[0]

    def run_now_once(self, schedule_id: str, key: RequestKey | None) -> tuple[Task, bool]:
        """Create one task now, unless an earlier request with this key did.

        Returns the task, and whether an earlier request created it. Such a task is returned as it is now, since its
        schedule may have changed. Raises NotFound if it is gone.
        """
        earlier = self._admission.earlier(key)
        if earlier is None:
            schedule, now_ms = self.get(schedule_id), self._clock()
            task = self._dispatcher.from_schedule(schedule, new_id(now_ms), now_ms, now_ms)
            conditions = self._admission.for_task(now_ms, key)
            ran = self._store.schedules.run_now(schedule_id, task, now_ms, conditions)
            if not isinstance(ran, EarlierRequest):
                if not ran:
                    raise NotFound("scheduled task not found")
                return as_created(task, now_ms), False
            earlier = ran
        created = self._store.tasks.get(earlier.created_id)
        if created is None:
            raise NotFound("the task that the first request with this Idempotency-Key created has been removed")
        return created, True


def _with_hidden(raw: Any, schedule: Schedule) -> Any:
    return with_hidden_values(raw, schedule.spec, ScheduleSpec) if isinstance(raw, dict) else raw


def is_same(seen: Schedule, changed: Schedule) -> bool:
    """Tell whether a change would change nothing."""
    return _told(seen) == _told(changed)


def _told(schedule: Schedule) -> tuple[Any, ...]:
    """Return everything that a caller can change."""
    return (dict(schedule.spec), schedule.kind, schedule.status, schedule.next_run_ms)


def following_ms(schedule: Schedule, now_ms: int) -> int | None:
    """Return its first firing after `now_ms`, or None if none is left."""
    return None if schedule.firings_left == 0 else rule_of(schedule).next_after(now_ms)


def rule_of(schedule: Schedule) -> Rule:
    """Return when a scheduled task fires."""
    return make_rule(schedule.spec, schedule.id, schedule.created_ms)
