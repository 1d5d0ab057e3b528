"""Every declared field, with a value that is not its default, on every way that a spec takes.

A field that is added needs a sample here, and nothing else: create, PATCH, PUT by key, a firing, a run beside the
schedule, the record, answers and the attempt all follow from its declaration.
"""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.fields import names_kept, secret_names, storage_of
from app.domain.kinds import KINDS
from app.domain.spec import ScheduleSpec, TaskSpec
from app.domain.status import Kind
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from app.usecases.firing import FiringService
from tests.api.calls import Api, PlayedWorker, created
from tests.conftest import VirtualClock
from tests.store.making import PlainMessages

COMMON: dict[str, Any] = {
    "name": 'ü "b"',
    "timeout": 7.5,
    "max_retries": 3,
    "retry_delay": 2.5,
    "retry_max_delay": 60,
    "on_worker_lost": "fail",
    "expires_in": 12.5,
    "priority": 9,
    "tags": ["a:b", "ü"],
    "callback_url": "https://example.com/told",
    "callback_on": ["failed", "stopped"],
    "alert": {"channels": []},
}
OF_KIND: dict[Kind, dict[str, Any]] = {
    Kind.CODE: {
        "function_code": "def other(a, b=1):\n    return a",
        "function_name": "other",
        "args": [{"x": None}],
        "kwargs": {"b": 2},
    },
    Kind.API: {
        "api_url": "https://example.com/other",
        "method": "POST",
        "headers": {"X-Token": "secret"},
        "params": {"q": "ü", "id": [1, 2], "page": 3, "all": True},
        "data": {"a": [1, None]},
        "follow_redirects": False,
        "expected_status": ["2xx", 404],
        "expected_body": {"json": {"/code": 0}},
        "retry_on": [500],
    },
}
TIMING: dict[str, Any] = {
    "cron_expression": "30 8 * * 1-5",
    "timezone": "Europe/Berlin",
    "start_at": "2026-11-24T00:00:00.000Z",
    "end_at": "2030-01-01T00:00:00.000Z",
    "max_runs": 7,
    "catch_up": "none",
    "jitter_seconds": 1.5,
    "overlap": "skip",
}
#: The other way to say when a schedule fires: not together with cron_expression.
EVERY = {**{name: value for name, value in TIMING.items() if name != "cron_expression"}, "every_seconds": 5400}
#: A task of each kind with nothing but what it needs.
LEAST: dict[Kind, dict[str, Any]] = {
    Kind.CODE: {"name": "n", "function_code": "def main():\n    pass", "function_name": "main"},
    Kind.API: {"name": "n", "api_url": "https://example.com/"},
}
KIND = pytest.mark.parametrize("kind", Kind)


def sample(kind: Kind) -> dict[str, Any]:
    return {**COMMON, **OF_KIND[kind]}


def assert_shown(answer: dict[str, Any], sent: dict[str, Any], kind: Kind) -> None:
    """Each field comes back as it was sent; of secret ones the names."""
    hidden = secret_names(KINDS[kind].fields)
    expected = {name: dict.fromkeys(value, "***") if name in hidden else value for name, value in sent.items()}
    assert {name: answer.get(name, "lost") for name in sent} == expected


def assert_attempted(worker: PlayedWorker, task_id: str, sent: dict[str, Any]) -> None:
    """The worker that claims the task gets each field as it was sent."""
    spec = worker.start(task_id).spec
    assert {name: spec.get(name, "lost") for name in sent} == sent


def fire(store: Store, clock: VirtualClock, schedule: dict[str, Any]) -> str:
    """The id of the task that the schedule's next firing creates."""
    next_ms = store.firings.next_due_ms()
    assert next_ms is not None
    clock.now_ms = next_ms
    FiringService(store, Dispatcher(PlainMessages(), 5.0), clock, spread=lambda: 0.0).fire_due(10)
    last = store.schedules.get(schedule["id"])
    assert last is not None
    assert last.last_task_id is not None
    return last.last_task_id


@KIND
def test_there_is_a_sample_of_every_declared_field(kind: Kind) -> None:
    own = set(KINDS[kind].own_fields)
    assert OF_KIND[kind].keys() == own
    foreign = {name for row in KINDS.values() for name in row.own_fields} - own
    assert sample(kind).keys() == set(names_kept(TaskSpec)) - foreign
    assert sample(kind).keys() | TIMING.keys() | EVERY.keys() == set(names_kept(ScheduleSpec)) - foreign


def test_no_sample_is_a_default_and_no_two_fields_share_a_hash_field() -> None:
    samples = {**COMMON, **TIMING, **EVERY, **OF_KIND[Kind.CODE], **OF_KIND[Kind.API]}
    for model in (TaskSpec, ScheduleSpec):
        for name in names_kept(model):
            field = model.model_fields[name]
            assert field.is_required() or samples[name] != field.get_default(), name
        shorts = [storage.short for storage in storage_of(model).values() if storage.short]
        assert len(shorts) == len(set(shorts))


@KIND
def test_a_task_is_created_and_attempted_with_all_of_them(api: Api, worker: PlayedWorker, kind: Kind) -> None:
    task = created(api.post("/api/tasks", sample(kind)))
    assert_shown(task, sample(kind), kind)
    assert_shown(api.get(f"/api/tasks/{task['id']}").get_json(), sample(kind), kind)
    assert_attempted(worker, task["id"], sample(kind))


@KIND
def test_a_waiting_task_can_be_changed_in_all_of_them(
    api: Api, worker: PlayedWorker, clock: VirtualClock, kind: Kind
) -> None:
    for least in LEAST.values():  # of the other kind, too
        task = created(api.post("/api/tasks", {**least, "task_type": "delayed", "delay_seconds": 60}))
        changed = api.patch(f"/api/tasks/{task['id']}", sample(kind)).get_json()
        assert_shown(changed, sample(kind), kind)
        clock.advance(60_000)
        assert_attempted(worker, task["id"], sample(kind))


@KIND
@pytest.mark.parametrize("timing", [TIMING, EVERY], ids=["cron", "interval"])
def test_a_schedule_is_created_and_fires_with_all_of_them(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock, kind: Kind, timing: dict[str, Any]
) -> None:
    sent = {**sample(kind), **timing}
    schedule = created(api.post("/api/scheduled-tasks", sent))
    assert_shown(schedule, sent, kind)
    assert_shown(api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json(), sent, kind)
    task_id = fire(store, clock, schedule)
    assert_shown(api.get(f"/api/tasks/{task_id}").get_json(), sample(kind), kind)
    assert_attempted(worker, task_id, {**sample(kind), "timezone": "Europe/Berlin"})


@KIND
def test_a_run_beside_the_schedule_has_all_of_them(api: Api, worker: PlayedWorker, kind: Kind) -> None:
    schedule = created(api.post("/api/scheduled-tasks", {**sample(kind), **TIMING}))
    task = created(api.post(f"/api/scheduled-tasks/{schedule['id']}/run"))
    assert_shown(task, sample(kind), kind)
    assert_attempted(worker, task["id"], {**sample(kind), "timezone": "Europe/Berlin"})


@KIND
@pytest.mark.parametrize("timing", [TIMING, EVERY], ids=["cron", "interval"])
def test_a_schedule_can_be_changed_in_all_of_them(api: Api, kind: Kind, timing: dict[str, Any]) -> None:
    sent = {**sample(kind), **timing}
    for least in LEAST.values():
        for when in ({"cron_expression": "* * * * *"}, {"every_seconds": 60}):
            schedule = created(api.post("/api/scheduled-tasks", {**least, **when}))
            assert_shown(api.patch(f"/api/scheduled-tasks/{schedule['id']}", sent).get_json(), sent, kind)
            assert_shown(api.get(f"/api/scheduled-tasks/{schedule['id']}").get_json(), sent, kind)


@KIND
def test_a_put_by_key_writes_all_of_them(api: Api, kind: Kind) -> None:
    sent = {**sample(kind), **TIMING}
    schedule = created(api.put("/api/scheduled-tasks/by-key/mine", sent))
    assert_shown(schedule, sent, kind)
    least = {**LEAST[kind], "cron_expression": "* * * * *"}
    back = api.put("/api/scheduled-tasks/by-key/mine", least).get_json()
    again = created(api.post("/api/scheduled-tasks", least))
    own = {"id", "key", "created_at", "updated_at"}
    assert {name: back[name] for name in back.keys() - own} == {name: again[name] for name in again.keys() - own}
    assert_shown(api.put("/api/scheduled-tasks/by-key/mine", sent).get_json(), sent, kind)
