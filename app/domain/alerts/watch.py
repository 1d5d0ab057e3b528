"""What a rule owes its channels: the state of one scheduled task, and what each event makes of it.

    failed     after `after_failures` failures in a row, once; over with a success
    stopped    a task was stopped, once; over with a task that ends in another way
    missed     a firing did not happen, once; over with a success
    late       a task has not finished `late_after` seconds after its time, once; over with a success
    silent     no success for `silent_after` seconds, once; over with a success
    recovered  the success that ends `failed`, `late` or `silent`

While `failed`, `late` or `silent` lasts, a reminder is due every `remind_every` seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from app.domain.alerts.rule import ScheduleAlert
from app.domain.channels.notice import NoticeType
from app.domain.stored import known_fields

#: Conditions whose end is worth a notice, the most important first.
_LASTING = (NoticeType.FAILED, NoticeType.SILENT, NoticeType.LATE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A task of the schedule has finished."""

    task_id: str
    status: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Firings did not happen; the first of them at `first_ms`."""

    count: int
    first_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Late:
    """A task that was due at `due_ms` has not finished."""

    task_id: str
    due_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Look:
    """Time has passed. since_ms: when the schedule was created, changed or resumed. is_active: whether it fires."""

    at_ms: int
    since_ms: int
    is_active: bool


Event: TypeAlias = Ended | Missed | Late | Look


@dataclass(frozen=True, slots=True)
class Owed:
    """A notice that a rule owes."""

    type: NoticeType
    at_ms: int
    task_id: str = ""
    count: int = 0
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class WatchState:
    """What is known of one schedule.

    failures, failing_since_ms, last_failed_id: of the current row of failures. told: what its channels were told of and
    is not over. told_ms: when they were told something last. lasting_since_ms: when what was told first began, of what
    lasts.
    """

    failures: int = 0
    failing_since_ms: int = 0
    last_failed_id: str = ""
    last_success_ms: int = 0
    told: tuple[str, ...] = ()
    told_ms: int = 0
    lasting_since_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        """The stored form. Empty values are left out."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> WatchState:
        """The state with this stored form."""
        return cls(**{**known_fields(cls, stored), "told": tuple(stored.get("told", ()))})


Step: TypeAlias = tuple[WatchState, tuple[Owed, ...]]


def step(rule: ScheduleAlert, state: WatchState, event: Event) -> Step:
    """The state after an event, and what is owed for it."""
    if isinstance(event, Look):
        return _looked(rule, state, event)
    if isinstance(event, Missed):
        owed = Owed(NoticeType.MISSED, event.at_ms, count=event.count, since_ms=event.first_ms)
        return _tell(rule, state, owed)
    if isinstance(event, Late):
        return _tell(rule, state, Owed(NoticeType.LATE, event.at_ms, task_id=event.task_id, since_ms=event.due_ms))
    if event.status == "failed":
        return _failed(rule, _without(state, NoticeType.STOPPED), event)
    if event.status == "stopped":
        return _tell(rule, state, Owed(NoticeType.STOPPED, event.at_ms, task_id=event.task_id))
    return _succeeded(rule, state, event)


def next_look_ms(rule: ScheduleAlert, state: WatchState, since_ms: int) -> int | None:
    """When time alone may owe a notice; None if it can't."""
    found = []
    if rule.silent_after is not None and _is_wanted(rule, NoticeType.SILENT) and NoticeType.SILENT not in state.told:
        found.append(_silent_from_ms(rule, state, since_ms))
    reminder_ms = _reminder_ms(rule, state)
    if reminder_ms is not None:
        found.append(reminder_ms)
    return min(found, default=None)


def _failed(rule: ScheduleAlert, state: WatchState, event: Ended) -> Step:
    failing = replace(
        state,
        failures=state.failures + 1,
        failing_since_ms=state.failing_since_ms or event.at_ms,
        last_failed_id=event.task_id,
    )
    if failing.failures < rule.after_failures:
        return failing, ()
    return _tell(rule, failing, _failure_owed(failing, event.at_ms))


def _failure_owed(state: WatchState, at_ms: int) -> Owed:
    since_ms = state.failing_since_ms if state.failures > 1 else 0
    return Owed(NoticeType.FAILED, at_ms, state.last_failed_id, state.failures, since_ms)


def _succeeded(rule: ScheduleAlert, state: WatchState, event: Ended) -> Step:
    following = WatchState(last_success_ms=event.at_ms, told_ms=state.told_ms)
    if _lasting(state) is None or "recovered" not in rule.on:
        return following, ()
    since_ms = state.failing_since_ms or state.lasting_since_ms or state.told_ms
    return replace(following, told_ms=event.at_ms), (
        Owed(NoticeType.RECOVERED, event.at_ms, event.task_id, state.failures, since_ms),
    )


def _looked(rule: ScheduleAlert, state: WatchState, event: Look) -> Step:
    if not event.is_active:
        return state, ()
    is_told = NoticeType.SILENT in state.told
    if rule.silent_after is not None and not is_told and event.at_ms >= _silent_from_ms(rule, state, event.since_ms):
        owed = Owed(NoticeType.SILENT, event.at_ms, since_ms=state.last_success_ms or event.since_ms)
        return _tell(rule, state, owed)
    state = replace(state, told_ms=min(state.told_ms, event.at_ms))  # the clock may have been set back
    lasting, reminder_ms = _lasting(state), _reminder_ms(rule, state)
    if lasting is None or reminder_ms is None or event.at_ms < reminder_ms:
        return state, ()
    return replace(state, told_ms=event.at_ms), (_reminder(state, lasting, event),)


def _reminder(state: WatchState, lasting: NoticeType, event: Look) -> Owed:
    """The notice again. It always says since when, so that nobody takes it for something new."""
    if lasting is NoticeType.FAILED:
        return replace(_failure_owed(state, event.at_ms), since_ms=state.failing_since_ms)
    return Owed(lasting, event.at_ms, since_ms=state.last_success_ms or event.since_ms)


def _tell(rule: ScheduleAlert, state: WatchState, owed: Owed) -> Step:
    """Owe a notice, unless the rule does not want it or its channels know already."""
    if not _is_wanted(rule, owed.type) or owed.type in state.told:
        return state, ()
    if owed.type in _LASTING and _lasting(state) is None:
        state = replace(state, lasting_since_ms=owed.since_ms or owed.at_ms)
    return replace(state, told=(*state.told, str(owed.type)), told_ms=owed.at_ms), (owed,)


def _is_wanted(rule: ScheduleAlert, type_: NoticeType) -> bool:
    """Whether the rule, which may have changed since the task was created, wants a notice. Silence needs no `on`.

    A rule without channels wants none: nothing is told, so that channels which it gets later are told what still lasts.
    """
    if not rule.channels:
        return False
    if type_ is NoticeType.LATE and rule.late_after is None:
        return False
    return type_ is NoticeType.SILENT or str(type_) in rule.on


def _without(state: WatchState, type_: NoticeType) -> WatchState:
    return replace(state, told=tuple(told for told in state.told if told != type_))


def _lasting(state: WatchState) -> NoticeType | None:
    """The most important condition that lasts and was told."""
    return next((type_ for type_ in _LASTING if type_ in state.told), None)


def _reminder_ms(rule: ScheduleAlert, state: WatchState) -> int | None:
    """When a reminder is due; None if nothing lasts of which to remind, or the rule wants no reminders."""
    if rule.remind_every is None or not rule.channels or _lasting(state) is None:
        return None
    return state.told_ms + round(rule.remind_every * 1000)


def _silent_from_ms(rule: ScheduleAlert, state: WatchState, since_ms: int) -> int:
    return max(state.last_success_ms, since_ms) + round((rule.silent_after or 0) * 1000)
