"""`PATCH /api/tasks/{id}` and `GET /api/tasks/stats`."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.outcome import Ending, Failure, Outcome
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.store.tasks import TaskStore
from tests.api.calls import CALL, CODE, Api, PlayedWorker, created, fields_of
from tests.conftest import VirtualClock

NOON = "2026-11-23T08:30:00.000Z"


def an_immediate_task_that_waits(api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock) -> str:
    """One that pauses for a minute before a retry."""
    task_id = str(api.create(max_retries=1)["id"])
    pause(task_id, store, worker, clock)
    return task_id


def pause(task_id: str, store: Store, worker: PlayedWorker, clock: VirtualClock) -> None:
    """Have its attempt fail, so that it waits for a minute."""
    due_ms = clock() + 60_000
    outcome = Outcome(failure=Failure("ValueError", "no"))
    entry = {**dict.fromkeys(("finished_at", "duration_ms", "worker", "error")), "attempt": 1, "started_at": NOON}
    store.tasks.run_again(worker.start(task_id), outcome, clock(), 1.0, due_ms, NO_MESSAGE, Ending.COUNTED, entry=entry)


def test_a_waiting_task_can_be_changed(api: Api, worker: PlayedWorker) -> None:
    task = api.create(task_type="delayed", delay_seconds=3600, tags=["old"])
    changed = api.patch(f"/api/tasks/{task['id']}", {"name": "new", "tags": ["new"], "args": [5]}).get_json()
    assert (changed["name"], changed["args"], changed["due_at"]) == ("new", [5], task["due_at"])
    assert api.get("/api/tasks?tag=old").get_json()["items"] == []
    assert api.get(f"/api/tasks?name={task['name']}*").get_json()["items"] == []
    assert [item["id"] for item in api.get("/api/tasks?name=NEW").get_json()["items"]] == [task["id"]]
    sooner = api.patch(f"/api/tasks/{task['id']}", {"delay_seconds": 60}).get_json()
    assert sooner["due_at"] == "2026-11-23T08:31:00.000Z"
    now = api.patch(f"/api/tasks/{task['id']}", {"run_at": "2020-01-01T00:00:00Z"}).get_json()
    assert now["status"] == "queued"
    assert api.patch(f"/api/tasks/{task['id']}", {"name": "late"}).status_code == 409
    worker.succeed(task["id"])


def test_a_change_that_meets_ten_others_is_made_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/api/tasks/{api.create(task_type='delayed', delay_seconds=3600)['id']}"
    change, others = TaskStore.change, [{"args": [number]} for number in range(10)]

    def change_after_another(*values: Any) -> bool:
        if others:
            with monkeypatch.context() as meanwhile:
                meanwhile.setattr(TaskStore, "change", change)
                assert api.patch(path, others.pop()).status_code == 200
        return change(*values)

    monkeypatch.setattr(TaskStore, "change", change_after_another)
    changed = api.patch(path, {"name": "new"}).get_json()
    assert (changed["status"], changed["name"], changed["args"], others) == ("waiting", "new", [0], [])


def test_a_type_without_a_time_is_no_change_or_refused_by_its_name(api: Api) -> None:
    delayed = api.create(task_type="delayed", delay_seconds=3600)
    path = f"/api/tasks/{delayed['id']}"
    for wanted in ("immediate", "scheduled", "never", 7):
        assert fields_of(api.patch(path, {"task_type": wanted})) == ["task_type"]
    assert fields_of(api.patch(path, {"task_type": "immediate", "priority": 99})) == ["priority", "task_type"]
    assert fields_of(api.patch(path, {"task_type": "immediate", "delay_seconds": 5})) == ["delay_seconds"]
    assert api.get(path).get_json() == delayed
    changed = api.patch(path, {"task_type": "delayed", "name": "new"}).get_json()
    assert (changed["name"], changed["task_type"], changed["due_at"]) == ("new", "delayed", delayed["due_at"])


def test_an_immediate_task_that_pauses_before_a_retry_can_be_changed(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = an_immediate_task_that_waits(api, store, worker, clock)
    changed = api.patch(f"/api/tasks/{task_id}", {"task_type": "immediate", "name": "new"}).get_json()
    assert (changed["name"], changed["task_type"], changed["status"]) == ("new", "immediate", "waiting")
    assert changed["due_at"] == "2026-11-23T08:31:00.000Z"


def test_a_changed_task_of_a_schedule_keeps_what_only_the_schedule_gives(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock
) -> None:
    """Its time zone, which its program asks for, and the alert rule."""
    for name in ("ops", "other"):
        assert api.put(f"/api/channels/{name}", {"kind": "webhook", "url": "http://127.0.0.1:9/"}).status_code == 201
    alert = {"channels": ["ops"], "after_failures": 3}
    schedule = api.schedule(timezone="Europe/Berlin", max_retries=1, alert=alert)
    task = created(api.post(f"/api/scheduled-tasks/{schedule['id']}/run"))
    pause(task["id"], store, worker, clock)
    changed = api.patch(f"/api/tasks/{task['id']}", {"priority": 9}).get_json()
    assert (changed["priority"], changed["alert"]) == (9, task["alert"])
    changed = api.patch(f"/api/tasks/{task['id']}", {"alert": {"channels": ["other"]}}).get_json()
    assert changed["alert"] == {"channels": ["other"]}
    clock.advance(60_000)
    assert worker.start(task["id"]).spec["timezone"] == "Europe/Berlin"


@pytest.mark.parametrize(("first", "other"), [(CODE, CALL), (CALL, CODE)])
def test_a_task_of_another_kind_keeps_nothing_of_the_first(
    api: Api, worker: PlayedWorker, clock: VirtualClock, first: dict[str, Any], other: dict[str, Any]
) -> None:
    task = created(api.post("/api/tasks", {**first, "task_type": "delayed", "delay_seconds": 60}))
    path = f"/api/tasks/{task['id']}"
    assert api.patch(path, {name: value for name, value in other.items() if name != "name"}).status_code == 200
    changed = api.patch(path, {"name": "again"})
    assert (changed.status_code, changed.get_json()["name"]) == (200, "again")
    clock.advance(60_000)
    worker.succeed(task["id"])
    retried = created(api.post(f"{path}/retry", {"timeout": 7}))
    assert (retried["kind"], retried["timeout"]) == (changed.get_json()["kind"], 7)


def test_stats_count_what_there_is(api: Api, worker: PlayedWorker) -> None:
    worker.succeed(api.create()["id"])
    worker.fail(api.create()["id"])
    api.create(api_url=CALL["api_url"], task_type="delayed", delay_seconds=60)
    stats = api.get("/api/tasks/stats").get_json()
    assert stats["total"] == 3
    assert stats["by_status"] == {"waiting": 1, "queued": 0, "running": 0, "succeeded": 1, "failed": 1, "stopped": 0}
    assert stats["by_kind"] == {"code": 2, "api": 1}
    assert stats["waiting"] == {"count": 1, "next_due_at": "2026-11-23T08:31:00.000Z"}
    assert (stats["queued_by_priority"], stats["oldest_queued_at"]) == (
        {"celeriac.code": {"5": 2}, "celeriac.api": {}},  # both messages are still there: the played worker reads none
        {"celeriac.code": None, "celeriac.api": None},
    )
    hour = stats["last_hour"]
    assert (hour["finished"], hour["success_rate"], len(hour["per_minute"])) == (2, 0.5, 60)
    assert 2.5 <= hour["duration_ms"]["p50"] <= 3.7


def test_a_time_given_as_null_is_no_change_of_the_type(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = an_immediate_task_that_waits(api, store, worker, clock)
    for field in ("delay_seconds", "run_at"):
        task = api.patch(f"/api/tasks/{task_id}", {field: None, "name": field}).get_json()
        assert (task["task_type"], task["status"], task["name"]) == ("immediate", "waiting", field)
