"""Values of headers, which responses hide: what was read can be sent back, and `***` is never sent as a credential."""

from __future__ import annotations

from typing import Any

import pytest

from app.store.store import Store
from tests.api.calls import CALL, CODE, Api, PlayedWorker, created, fields_of

HEADERS = {"Authorization": "Bearer abc", "X-Batch": "7"}
LATER = {"task_type": "delayed", "delay_seconds": 60}
DAILY = {**CALL, "cron_expression": "0 9 * * *", "headers": HEADERS}


def sent_by(store: Store, task_id: str) -> Any:
    """The headers that the task would send."""
    task = store.tasks.get(task_id)
    assert task is not None
    return task.spec["headers"]


def test_a_change_with_what_was_read_keeps_the_values(api: Api, store: Store) -> None:
    task = created(api.post("/api/tasks", {**CALL, **LATER, "headers": HEADERS}))
    changes = {"name": "new", "headers": {**task["headers"], "X-New": "1"}}
    assert api.patch(f"/api/tasks/{task['id']}", changes).status_code == 200
    assert sent_by(store, task["id"]) == {**HEADERS, "X-New": "1"}
    api.patch(f"/api/tasks/{task['id']}", {"headers": {"authorization": "***"}})
    assert sent_by(store, task["id"]) == {"authorization": "Bearer abc"}


def test_a_retry_with_what_was_read_keeps_the_values(api: Api, store: Store, worker: PlayedWorker) -> None:
    task = created(api.post("/api/tasks", {**CALL, "headers": HEADERS}))
    worker.succeed(task["id"])
    again = created(api.post(f"/api/tasks/{task['id']}/retry", {"headers": {**task["headers"], "X-Batch": "8"}}))
    assert sent_by(store, again["id"]) == {**HEADERS, "X-Batch": "8"}


def test_a_schedule_that_is_put_back_keeps_the_values(api: Api, store: Store) -> None:
    path = "/api/scheduled-tasks/by-key/daily"
    schedule = api.put(path, DAILY).get_json()
    same = api.put(path, {**DAILY, "headers": schedule["headers"]})
    assert same.get_json() == schedule, "nothing is written"
    api.patch(f"/api/scheduled-tasks/{schedule['id']}", {"headers": {**schedule["headers"], "X-Batch": "8"}})
    stored = store.schedules.get(schedule["id"])
    assert stored is not None
    assert stored.spec["headers"] == {**HEADERS, "X-Batch": "8"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/tasks", CALL),
        ("POST", "/api/scheduled-tasks", DAILY),
        ("PUT", "/api/scheduled-tasks/by-key/new", DAILY),
    ],
)
def test_hidden_values_are_refused_where_there_is_nothing_to_keep(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    response = api.call(method, path, json={**body, "headers": {"Authorization": "***", "X": "1"}})
    assert fields_of(response) == ["headers.Authorization"]
    assert "give the value itself" in response.text


def test_a_header_that_is_new_in_a_change_needs_its_value(api: Api) -> None:
    task = created(api.post("/api/tasks", {**CALL, **LATER, "headers": HEADERS}))
    for headers in ({**HEADERS, "X-New": "***"}, {"X-New": "***"}):
        assert fields_of(api.patch(f"/api/tasks/{task['id']}", {"headers": headers})) == ["headers.X-New"]
    code = created(api.post("/api/tasks", {**CODE, **LATER}))
    changes = {"api_url": CALL["api_url"], "headers": {"Authorization": "***"}}
    assert fields_of(api.patch(f"/api/tasks/{code['id']}", changes)) == ["headers.Authorization"]
