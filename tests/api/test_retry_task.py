"""POST /api/tasks/{id}/retry"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.domain.ids import is_id
from app.domain.status import Kind
from app.store.listing import Filters
from app.store.store import Store
from tests.api.calls import UNKNOWN_ID, Api, PlayedWorker, created, fields_of
from tests.api.test_declared_fields import COMMON, OF_KIND
from tests.conftest import VirtualClock
from tests.servers import wait_until

#: What a task tells of its own life; the rest is its spec.
OWN = {"id", "retry_of", "created_at", "due_at", "queued_at", "history", "task_type", "status"}
RUN = {"started_at", "finished_at", "duration_ms", "attempt", "worker", "error", "attempts", "cpu_ms", "memory_kb"}
OUTPUT = {"result", "stdout", "stdout_truncated"}
KEYED = {"Idempotency-Key": "again-1"}


def finished(api: Api, worker: PlayedWorker, **fields: Any) -> dict[str, Any]:
    """A task that has failed, as it is read."""
    task_id = api.create(**fields)["id"]
    worker.fail(task_id)
    return dict(api.get(f"/api/tasks/{task_id}").get_json())


def spec(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name not in OWN | RUN | OUTPUT}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("body", [None, {}], ids=["no body", "empty object"])
def test_a_finished_task_runs_again_with_the_same_spec(
    api: Api, worker: PlayedWorker, clock: VirtualClock, kind: Kind, body: Any
) -> None:
    first = finished(api, worker, **COMMON, **OF_KIND[kind])
    clock.advance(5_000)
    response = api.post(f"/api/tasks/{first['id']}/retry", body)
    again = created(response)
    assert response.headers["Location"] == f"/api/tasks/{again['id']}"
    assert (again["retry_of"], again["status"], again["task_type"]) == (first["id"], "queued", "immediate")
    assert is_id(again["id"])
    assert again["id"] != first["id"]
    assert again["created_at"] == again["due_at"] > first["created_at"]
    assert spec(again) == spec(first)
    assert api.get(f"/api/tasks/{again['id']}").get_json() == again
    attempt = worker.start(again["id"])
    sent = {**COMMON, **OF_KIND[kind]}
    assert {name: attempt.spec[name] for name in sent} == sent, "secrets too, which no response shows"


def test_the_first_task_stays_as_it_was(api: Api, worker: PlayedWorker) -> None:
    first = finished(api, worker)
    worker.succeed(created(api.post(f"/api/tasks/{first['id']}/retry"))["id"])
    assert api.get(f"/api/tasks/{first['id']}").get_json() == first


@pytest.mark.parametrize("end", ["succeeded", "failed", "stopped"])
def test_every_end_can_be_retried_also_of_a_retry(api: Api, worker: PlayedWorker, end: str) -> None:
    task_id = api.create()["id"]
    for _ in range(2):
        if end == "stopped":
            api.post(f"/api/tasks/{task_id}/stop")
        elif end == "failed":
            worker.fail(task_id)
        else:
            worker.succeed(task_id)
        again = created(api.post(f"/api/tasks/{task_id}/retry"))
        assert again["retry_of"] == task_id
        task_id = again["id"]


def test_a_delayed_task_and_one_of_a_schedule_are_retried_now(
    api: Api, worker: PlayedWorker, clock: VirtualClock
) -> None:
    delayed = api.create(task_type="delayed", delay_seconds=60)["id"]
    clock.advance(60_000)
    ran = created(api.post(f"/api/scheduled-tasks/{api.schedule()['id']}/run"))["id"]
    for task_id in (delayed, ran):
        worker.succeed(task_id)
        again = created(api.post(f"/api/tasks/{task_id}/retry"))
        assert (again["task_type"], again["status"], again["scheduled_task_id"]) == ("immediate", "queued", None)
        worker.succeed(again["id"])


@pytest.mark.parametrize("status", ["waiting", "queued", "running"])
def test_what_has_not_finished_is_not_retried(api: Api, worker: PlayedWorker, status: str) -> None:
    task = api.create(**({"task_type": "delayed", "delay_seconds": 60} if status == "waiting" else {}))
    if status == "running":
        worker.start(task["id"])
    response = api.post(f"/api/tasks/{task['id']}/retry")
    assert response.status_code == 409
    assert response.get_json()["task_status"] == status
    assert len(api.get("/api/tasks").get_json()["items"]) == 1


@pytest.mark.parametrize("task_id", [UNKNOWN_ID, "x"])
def test_what_does_not_exist_is_not_found(api: Api, task_id: str) -> None:
    assert api.post(f"/api/tasks/{task_id}/retry", {}).status_code == 404


def test_the_body_changes_fields_and_null_resets_one(api: Api, worker: PlayedWorker) -> None:
    first = finished(api, worker, timeout=7, tags=["a"], priority=9)
    changes = {"timeout": 9.5, "tags": None, "args": [5], "name": "sum again"}
    again = created(api.post(f"/api/tasks/{first['id']}/retry", changes))
    assert spec(again) == {**spec(first), "timeout": 9.5, "tags": [], "args": [5], "name": "sum again"}
    assert worker.start(again["id"]).spec["args"] == [5]


def test_it_can_be_changed_to_another_kind(api: Api, worker: PlayedWorker) -> None:
    first = finished(api, worker)
    again = created(api.post(f"/api/tasks/{first['id']}/retry", {"api_url": "https://example.com/"}))
    assert (again["kind"], again["retry_of"], "function_code" in again) == ("api", first["id"], False)


def test_a_time_makes_it_a_delayed_one(api: Api, worker: PlayedWorker) -> None:
    first = finished(api, worker)
    again = created(api.post(f"/api/tasks/{first['id']}/retry", {"delay_seconds": 90}))
    assert (again["task_type"], again["status"], again["due_at"]) == ("delayed", "waiting", "2026-11-23T08:31:30.000Z")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"timeout": 0, "colour": "red"}, ["timeout", "colour"]),
        ({"function_code": "def main(:"}, ["function_code"]),
        ({"function_name": "other"}, ["function_name"]),
        ({"name": None}, ["name"]),
        ({"task_type": "delayed"}, ["delay_seconds"]),
        ({"task_type": "scheduled"}, ["task_type"]),
        ({"retry_of": UNKNOWN_ID}, ["retry_of"]),
        ([], [""]),
        ("x", [""]),
    ],
)
def test_wrong_changes_are_named_and_nothing_is_created(
    api: Api, worker: PlayedWorker, changes: Any, wrong: list[str]
) -> None:
    first = finished(api, worker)
    assert sorted(fields_of(api.post(f"/api/tasks/{first['id']}/retry", changes))) == sorted(wrong)
    assert len(api.get("/api/tasks").get_json()["items"]) == 1


def test_a_body_of_another_type_and_bad_json_are_refused(api: Api, worker: PlayedWorker) -> None:
    path = f"/api/tasks/{finished(api, worker)['id']}/retry"
    assert api.post(path, data="timeout=3", content_type="application/x-www-form-urlencoded").status_code == 415
    assert api.post(path, data="{", content_type="application/json").status_code == 400


def test_a_repeated_request_creates_one_task(api: Api, worker: PlayedWorker, clock: VirtualClock) -> None:
    task_id = finished(api, worker)["id"]
    path = f"/api/tasks/{task_id}/retry"
    first = api.post(path, headers=KEYED)
    clock.advance(3_000)
    worker.succeed(created(first)["id"])
    for body in (None, {}):  # they are the same body
        again = api.post(path, body, headers=KEYED)
        assert (again.get_json(), again.headers["Idempotency-Replayed"]) == (first.get_json(), "true")
    assert api.post(path, {"timeout": 3}, headers=KEYED).get_json()["type"].endswith(":key-reused")
    assert len(api.get("/api/tasks").get_json()["items"]) == 2


def test_a_repetition_shows_the_new_task_when_the_first_is_gone(api: Api, worker: PlayedWorker) -> None:
    task_id = finished(api, worker)["id"]
    path = f"/api/tasks/{task_id}/retry"
    again_id = created(api.post(path, headers=KEYED))["id"]
    worker.succeed(again_id)
    api.delete(f"/api/tasks/{task_id}")
    repeated = created(api.post(path, headers=KEYED))
    assert (repeated["id"], repeated["status"]) == (again_id, "succeeded")
    api.delete(f"/api/tasks/{again_id}")
    assert api.post(path, headers=KEYED).status_code == 404


def _new_task_id(store: Store, old: set[str]) -> str | None:
    return next((task.id for task in store.listing.page(Filters(), 10).items if task.id not in old), None)


@pytest.mark.parametrize("creating", ["retry", "run"])
def test_it_waits_for_the_end(web: Flask, api: Api, store: Store, worker: PlayedWorker, creating: str) -> None:
    task_id, schedule_id = finished(api, worker)["id"], api.schedule()["id"]
    path = f"/api/tasks/{task_id}/retry" if creating == "retry" else f"/api/scheduled-tasks/{schedule_id}/run"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(Api(web).post, path, headers={"Prefer": "wait=30", **KEYED})
        wait_until(lambda: _new_task_id(store, {task_id}), 15, "the new task")
        began = time.monotonic()
        worker.succeed(_new_task_id(store, {task_id}) or "")
        response = answer.result(20)
    assert time.monotonic() - began < 15, "it might have waited for 30 seconds"
    assert response.headers["Preference-Applied"] == "wait=30"
    assert (created(response)["status"], created(response)["result"]) == ("succeeded", 7)
    repeated = api.post(path, headers={"Prefer": "wait=30", **KEYED})
    assert (repeated.get_json(), repeated.headers["Idempotency-Replayed"]) == (response.get_json(), "true")
