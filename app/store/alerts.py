"""Alerts in Redis: events that rules may want told, the state of each watched schedule, and what is owed.

The scripts that end tasks and take firings add events to a stream, in the same call. A round of alert work reads some
of them, decides (app/domain/alerts), and commits everything that follows in one call, which is void if another process
has committed since the read: each event counts once, however many processes do this. A schedule that a caller changes
meanwhile is looked at again. That voids nothing, so many changes do not hold up the work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.alerts.service import Trouble
from app.domain.alerts.storm import Flow
from app.domain.alerts.watch import WatchState
from app.domain.status import ScheduleStatus, Status
from app.store.client import Client
from app.store.columns import SCHEDULE, SHORT_NAMES, SPEC, dump_json
from app.store.deliveries import NewDelivery, delivery_fields
from app.store.firings import read_firing
from app.store.keys import Keys
from app.store.lease import ROUND_LEASE_MS, Lease
from app.store.scripts import Scripts

#: The field of the service's troubles that says when somebody looked last.
_LOOKED = "looked"
EVENTS_PER_ROUND = 200
LOOKS_PER_ROUND = 200


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What happened: `words` begin with `ended`, `failed` or `missed`, and are as `_lib.lua` writes them."""

    id: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round has to deal with.

    late: (task id, ms) of tasks that should have finished. has_default: the rule of schedules that have none is
    stored, or that there is none.
    """

    revision: str
    events: Sequence[AlertEvent]
    schedule_ids: Sequence[str]
    flow_names: Sequence[str]
    late: Sequence[tuple[str, int]]
    has_default: bool

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.events or self.schedule_ids or self.flow_names or self.late)

    @property
    def is_full(self) -> bool:
        """Whether there may be more."""
        return len(self.events) >= EVENTS_PER_ROUND or len(self.late) + len(self.schedule_ids) >= LOOKS_PER_ROUND


@dataclass(frozen=True, slots=True)
class WatchedSchedule:
    """A scheduled task as its alert rule needs it.

    updated_ms: when it was created, changed or resumed, or the rule that holds for it was set. alert: its own, or None.
    """

    id: str
    name: str
    revision: str
    is_active: bool
    updated_ms: int
    alert: Mapping[str, Any] | None
    state: WatchState


@dataclass(frozen=True, slots=True)
class TaskBrief:
    """What a notice says of a task. `alert`: the rule of its schedule when it was created, or None."""

    id: str
    name: str
    due_ms: int
    status: Status
    scheduled_task_id: str | None
    error: Mapping[str, Any] | None
    alert: Mapping[str, Any] | None


@dataclass(slots=True)
class AlertPlan:
    """What a round writes. `None` removes an entry. `seen`: the revision of each schedule that it has read."""

    events: list[str] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, WatchState | None] = field(default_factory=dict)
    flows: dict[str, Flow | None] = field(default_factory=dict)
    service: dict[str, Trouble | None] = field(default_factory=dict)
    looked_ms: int | None = None
    due: dict[str, int | None] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)


class AlertStore:
    """The alerts under one prefix. Thread-safe; raises Unavailable if Redis can't be reached.

    `lease`: of the rounds of alert work.
    """

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self.lease = Lease(client, keys.alert("lease"), ROUND_LEASE_MS)

    def read(self, now_ms: int) -> Seen:
        """What there is to do, all as it was at one moment."""
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.get(self._keys.alert("revision"))
            pipeline.xrange(self._keys.alert("events"), count=EVENTS_PER_ROUND)
            for name in ("due", "late"):
                pipeline.zrange(
                    self._keys.alert(name), "-inf", now_ms, byscore=True, offset=0, num=LOOKS_PER_ROUND, withscores=True
                )
            pipeline.get(self._keys.alert("default"))
            revision, events, due, late, default = pipeline.execute()
        members = [str(member) for member, _ in due]
        return Seen(
            revision=revision or "0",
            events=[AlertEvent(event_id, tuple(json.loads(fields["e"]))) for event_id, fields in events],
            schedule_ids=[member[2:] for member in members if member.startswith("s:")],
            flow_names=[member[2:] for member in members if member.startswith("c:")],
            late=[(str(task_id), int(ms)) for task_id, ms in late],
            has_default=default is not None,
        )

    def schedules(self, ids: Iterable[str]) -> dict[str, WatchedSchedule]:
        """These scheduled tasks, without those that are gone."""
        wanted = list(ids)
        if not wanted:
            return {}
        own = (SCHEDULE["status"], SPEC["name"], SCHEDULE["revision"], SCHEDULE["updated_ms"], SPEC["alert"])
        shorts = [column.short for column in own]
        with self._client.pipeline(transaction=False) as pipeline:
            for schedule_id in wanted:
                pipeline.hmget(self._keys.schedule(schedule_id), shorts)
            pipeline.hmget(self._keys.alert("schedules"), wanted)
            pipeline.get(self._keys.alert("default_since"))
            *records, states, default_ms = pipeline.execute()
        return {
            schedule_id: WatchedSchedule(
                schedule_id,
                name,
                revision,
                status == ScheduleStatus.ACTIVE,
                int(updated) if alert else max(int(updated), int(default_ms or 0)),
                json.loads(alert) if alert else None,
                WatchState.from_json(json.loads(state or "{}")),
            )
            for schedule_id, (status, name, revision, updated, alert), state in zip(
                wanted, records, states, strict=True
            )
            if status is not None
        }

    def tasks(self, ids: Iterable[str]) -> dict[str, TaskBrief]:
        """These tasks, without those that are gone."""
        wanted = list(ids)
        names = ("status", "name", "due_ms", "scheduled_task_id", "error", "alert")
        with self._client.pipeline(transaction=False) as pipeline:
            for task_id in wanted:
                pipeline.hmget(self._keys.task(task_id), [SHORT_NAMES[name] for name in names])
            records = pipeline.execute()
        return {
            task_id: TaskBrief(
                task_id,
                name,
                int(due_ms),
                Status(status),
                schedule_id,
                json.loads(error) if error else None,
                json.loads(alert) if alert else None,
            )
            for task_id, (status, name, due_ms, schedule_id, error, alert) in zip(wanted, records, strict=True)
            if status is not None
        }

    def firing_outcome(self, schedule_id: str, at_ms: int) -> str:
        """What became of a firing, one of OUTCOMES in app/store/firings.py; "" if its record is gone."""
        key = self._keys.firings(schedule_id)
        found: Any = self._client.zrange(key, at_ms, at_ms, byscore=True, offset=0, num=1)
        return read_firing(str(found[0])).outcome if found else ""

    def flows(self, names: Iterable[str]) -> dict[str, Flow]:
        """The flow of notices to each of these channels."""
        wanted = list(names)
        found: Any = self._client.hmget(self._keys.alert("flows"), wanted) if wanted else []
        return {
            name: Flow() if text is None else Flow.from_json(json.loads(text))
            for name, text in zip(wanted, found, strict=True)
        }

    def revision(self) -> str:
        """What `commit` takes, without anything else."""
        return str(self._client.get(self._keys.alert("revision")) or "0")

    def service(self) -> tuple[int | None, dict[str, Trouble]]:
        """When somebody looked after the service last, and the troubles that are known, by name."""
        found: Any = self._client.hgetall(self._keys.alert("service"))
        looked = found.pop(_LOOKED, None)
        troubles = {name: Trouble.from_json(json.loads(text)) for name, text in found.items()}
        return (None if looked is None else int(looked)), troubles

    def forget_service(self) -> None:
        """Forget the troubles of the service, and when somebody looked last."""
        self._client.delete(self._keys.alert("service"))

    def is_call_due(self) -> bool:
        """Whether no process has taken the call of HEARTBEAT_URL lately."""
        return not self._client.exists(self._keys.alert("called"))

    def take_call(self, now_ms: int, every_ms: int) -> bool:
        """Whether to make the call of HEARTBEAT_URL now: one process does, once in that time."""
        return bool(self._client.set(self._keys.alert("called"), now_ms, nx=True, px=every_ms))

    def commit(self, revision: str, plan: AlertPlan, now_ms: int) -> bool:
        """Write the plan. Returns False if another process has committed, or set a default, since `revision`."""
        looked = {} if plan.looked_ms is None else {_LOOKED: str(plan.looked_ms)}
        stored = {
            "events": plan.events,
            "seen": plan.seen,
            "schedules": _texts({name: _json(state) for name, state in plan.schedules.items()}),
            "flows": _texts({name: _json(flow) for name, flow in plan.flows.items()}),
            "service": {**_texts({name: _json(trouble) for name, trouble in plan.service.items()}), **looked},
            "due": {member: "" if ms is None else str(ms) for member, ms in plan.due.items()},
            "late": plan.late,
            "deliveries": [delivery_fields(delivery) for delivery in plan.deliveries],
        }
        return bool(self._scripts("alert_commit", seen_revision=revision, now_ms=now_ms, plan=dump_json(stored)))

    def set_default(self, rule: Mapping[str, Any] | None, now_ms: int) -> bool:
        """Set the rule of scheduled tasks that have none of their own. Returns whether it is another one."""
        text = "" if rule is None else dump_json(rule)
        return bool(self._scripts("alert_default", rule=text, now_ms=now_ms))


def _json(value: WatchState | Flow | Trouble | None) -> Mapping[str, Any] | None:
    return None if value is None else value.as_json()


def _texts(values: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
    return {name: "" if value is None else dump_json(value) for name, value in values.items()}
