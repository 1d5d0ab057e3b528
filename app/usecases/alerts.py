"""Alert work: what happened and what time it is, turned into notices to channels. Beat does this at each tick.

Any number of processes may do it at once: a round is committed as a whole, or not at all if another was faster. So
that few rounds are in vain, one process at a time has the lease.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.domain.alerts.rule import ScheduleAlert
from app.domain.alerts.watch import Ended, Event, Late, Look, Missed, Owed, next_look_ms, step
from app.domain.channels.notice import Notice, NoticeType
from app.store.alerts import AlertPlan, AlertStore, Seen, TaskBrief, WatchedSchedule
from app.usecases.outbox import Outbox

#: Rounds of one call, each of as many events as one read gives: the rest is for the next tick.
ROUNDS = 20
#: From one look at a schedule whose rule can't be read to the next.
UNREADABLE_LOOK_MS = 60_000

logger = logging.getLogger("celeriac.alerts")


class AlertWork:
    """The alert work of the process `owner`. `default`: the rule of scheduled tasks that have none. Not thread-safe."""

    def __init__(self, store: AlertStore, default: ScheduleAlert | None, owner: str) -> None:
        self._store = store
        self._default = default
        self._owner = owner
        self._is_default_stored = False

    def run(self, now_ms: int) -> None:
        """Deal with everything that has happened and is due, in bounded rounds, unless another process does."""
        if not self._is_default_stored:
            self._store.set_default(rule_json(self._default), now_ms)
            self._is_default_stored = True
        seen = self._seen(now_ms)
        if seen.is_empty or not self._store.lease.take(self._owner):
            return
        for _ in range(ROUNDS):
            plan = _Round(self._store, self._default, seen, now_ms).plan()
            if self._store.commit(seen.revision, plan, now_ms) and not seen.is_full:
                break
            seen = self._seen(now_ms)
            if seen.is_empty:
                break
        self._store.lease.end()

    def _seen(self, now_ms: int) -> Seen:
        """What there is to deal with. Stores the default, or that there is none, again if Redis has lost it."""
        seen = self._store.read(now_ms)
        if seen.has_default:
            return seen
        self._store.set_default(rule_json(self._default), now_ms)
        return self._store.read(now_ms)


def rule_json(rule: ScheduleAlert | None) -> dict[str, Any] | None:
    """The stored form of a rule: what was given of it."""
    return None if rule is None else rule.model_dump(mode="json", exclude_unset=True, exclude_none=True)


@dataclass(slots=True)
class _Round:
    """One round: reads what it needs, and gathers what it writes."""

    store: AlertStore
    default: ScheduleAlert | None
    seen: Seen
    now_ms: int
    _plan: AlertPlan = field(default_factory=AlertPlan)
    _outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        round_id = f"{self.now_ms:x}_{self.seen.revision}"
        self._outbox = Outbox(self.store, self._plan, round_id, self.now_ms)

    def plan(self) -> AlertPlan:
        """What to write."""
        self._plan.events = [event.id for event in self.seen.events]
        self._plan.late = [task_id for task_id, _ in self.seen.late]
        tasks = self.store.tasks(self._task_ids())
        events = self._events_of_schedules(tasks)
        schedules = self.store.schedules(events)
        self._plan.seen = {schedule_id: schedule.revision for schedule_id, schedule in schedules.items()}
        for schedule_id, happened in events.items():
            self._watch(schedule_id, schedules.get(schedule_id), happened, tasks)
        for event in self.seen.events:
            if event.words[0] == "failed":
                self._tell_of_task(event.words, tasks)
        for name in self.seen.flow_names:
            self._outbox.sum_up(name)
        self._outbox.close()
        return self._plan

    def _task_ids(self) -> set[str]:
        places = {"ended": 2, "failed": 1}
        named = {event.words[places[event.words[0]]] for event in self.seen.events if event.words[0] in places}
        return named | {task_id for task_id, _ in self.seen.late}

    def _events_of_schedules(self, tasks: Mapping[str, TaskBrief]) -> dict[str, list[Event]]:
        """What happened to each schedule, in its order; also those that are only due for a look."""
        found = defaultdict[str, list[Event]](list)
        for event in self.seen.events:
            word, schedule_id, *values = event.words
            if word == "ended":
                found[schedule_id].append(Ended(values[0], values[1], int(values[2])))
            elif word == "missed":
                count, first_ms, at_ms = map(int, values)
                found[schedule_id].append(Missed(count, first_ms, at_ms))
        for task_id, late_ms in self.seen.late:
            task = tasks.get(task_id)
            if task is not None and not task.status.finished and task.scheduled_task_id is not None:
                due_ms = self._first_due_ms(task, late_ms)
                found[task.scheduled_task_id].append(Late(task_id, due_ms, self.now_ms))
        for schedule_id in self.seen.schedule_ids:
            found.setdefault(schedule_id, [])
        return found

    def _first_due_ms(self, task: TaskBrief, late_ms: int) -> int:
        """When a task that is late from `late_ms` on was due. `due_ms` is that of its next attempt."""
        try:
            rule = self._rule_of(task)
        except ValidationError:  # `_watch` decides, by the rule that the schedule has now
            rule = None
        if rule is None or rule.late_after is None:
            return task.due_ms
        return min(task.due_ms, late_ms - round(rule.late_after * 1000))

    def _watch(
        self,
        schedule_id: str,
        schedule: WatchedSchedule | None,
        events: Iterable[Event],
        tasks: Mapping[str, TaskBrief],
    ) -> None:
        try:
            rule = None if schedule is None else self._rule_of(schedule)
        except ValidationError:
            self._pass_over(schedule_id)
            return
        if schedule is None or rule is None:
            self._plan.schedules[schedule_id] = self._plan.due[f"s:{schedule_id}"] = None
            return
        state = schedule.state
        for event in (*events, Look(self.now_ms, schedule.updated_ms, schedule.is_active)):
            state, owed = step(rule, state, event)
            for one in owed:
                self._outbox.tell(rule.channels, _notice(one, schedule, self._why(one, schedule, tasks)))
        self._plan.schedules[schedule_id] = state
        looks_ms = next_look_ms(rule, state, schedule.updated_ms) if schedule.is_active else None
        self._plan.due[f"s:{schedule_id}"] = looks_ms

    def _pass_over(self, schedule_id: str) -> None:
        """Leave a schedule whose rule can't be read for later: it must not hold up the notices of the others.

        A newer version may have written the rule, and its beat deals with it once this one has ended.
        """
        more = {"action": "alert_defect", "scheduled_task_id": schedule_id}
        logger.exception("an alert rule can't be read; nothing is told of this scheduled task", extra=more)
        self._plan.due[f"s:{schedule_id}"] = self.now_ms + UNREADABLE_LOOK_MS

    def _why(self, owed: Owed, schedule: WatchedSchedule, tasks: Mapping[str, TaskBrief]) -> str:
        if owed.type is NoticeType.MISSED:
            return self.store.firing_outcome(schedule.id, owed.since_ms)
        task = tasks.get(owed.task_id)
        if owed.type is NoticeType.LATE and task is not None:
            return task.status
        return _reason(task) if owed.type is NoticeType.FAILED else ""

    def _rule_of(self, watched: WatchedSchedule | TaskBrief) -> ScheduleAlert | None:
        """The rule that holds, without fields of a newer version. Raises ValidationError if it can't be read."""
        return self.default if watched.alert is None else ScheduleAlert.model_validate(watched.alert, extra="ignore")

    def _tell_of_task(self, words: tuple[str, ...], tasks: Mapping[str, TaskBrief]) -> None:
        _, task_id, at_ms, channels, name = words
        notice = Notice(NoticeType.FAILED, name, int(at_ms), reason=_reason(tasks.get(task_id)), task_id=task_id)
        self._outbox.tell(channels.split(","), notice)


def _notice(owed: Owed, schedule: WatchedSchedule, reason: str) -> Notice:
    return Notice(
        type=owed.type,
        subject=schedule.name,
        at_ms=owed.at_ms,
        reason=reason,
        task_id=owed.task_id,
        scheduled_task_id=schedule.id,
        schedule=schedule.name,
        count=owed.count,
        since_ms=owed.since_ms,
    )


def _reason(task: TaskBrief | None) -> str:
    """Why a task failed, in one or more lines; "" if it is gone."""
    if task is None or task.error is None:
        return ""
    line = f" (line {task.error['line']})" if task.error.get("line") else ""
    return f"{task.error['type']}: {task.error['message']}{line}"
