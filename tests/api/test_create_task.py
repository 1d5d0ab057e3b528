"""POST /api/tasks"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from app.api.context import compose
from app.settings import Settings
from app.store.store import Store
from app.usecases.code_check import Finding
from sandbox import Sandbox
from tests.api.calls import CALL, CODE, EVERY_MINUTE, Api, PlayedWorker, created, fields_of
from tests.api.conftest import web_on
from tests.conftest import NOON_MS, VirtualClock


def test_a_new_task_is_answered_whole_with_its_location(api: Api) -> None:
    response = api.post("/api/tasks", {**CODE, "args": [1], "kwargs": {"b": 2}, "tags": ["math"], "priority": 9})
    task = created(response)
    assert response.headers["Location"] == f"/api/tasks/{task['id']}"
    assert task["status"] == "queued"
    assert task["kind"] == "code"
    assert task["task_type"] == "immediate"
    assert (task["args"], task["kwargs"], task["tags"], task["priority"]) == ([1], {"b": 2}, ["math"], 9)
    assert task["created_at"] == task["due_at"] == task["queued_at"] == "2026-11-23T08:30:00.000Z"
    assert (task["attempt"], task["attempts"], task["result"], task["error"]) == (0, [], None, None)
    assert api.get(response.headers["Location"]).get_json() == task


def test_what_is_left_out_gets_the_defaults(api: Api) -> None:
    task = api.create(api_url="http://target.test/")
    defaults = {
        "method": "GET",
        "headers": {},
        "params": {},
        "data": None,
        "expected_status": ["2xx"],
        "retry_on": ["408", "425", "429", "5xx"],
        "timeout": 30,
        "max_retries": 0,
        "expires_in": None,
        "retry_delay": 5,
        "retry_max_delay": 3600,
        "priority": 5,
        "tags": [],
    }
    assert {name: task[name] for name in defaults} == defaults


def test_null_counts_as_left_out(api: Api) -> None:
    task = created(
        api.post("/api/tasks", {**CODE, "delay_seconds": None, "tags": None, "api_url": None, "headers": None})
    )
    assert (task["kind"], task["tags"]) == ("code", [])


@pytest.mark.parametrize(
    ("fields", "due_at"),
    [
        ({"delay_seconds": 90}, "2026-11-23T08:31:30.000Z"),
        ({"delay_seconds": 0.5}, "2026-11-23T08:30:00.500Z"),
        ({"delay_seconds": 315_360_000}, "2036-11-20T08:30:00.000Z"),
        ({"run_at": "2026-11-24T00:00:00+01:00"}, "2026-11-23T23:00:00.000Z"),
    ],
)
def test_a_delayed_task_waits_until_it_is_due(api: Api, fields: dict[str, Any], due_at: str) -> None:
    task = api.create(task_type="delayed", **fields)
    assert (task["status"], task["due_at"], task["queued_at"]) == ("waiting", due_at, None)


def test_a_time_in_the_past_means_now(api: Api) -> None:
    task = api.create(task_type="delayed", run_at="2020-01-01T00:00:00Z")
    assert (task["status"], task["due_at"]) == ("queued", "2026-11-23T08:30:00.000Z")


def test_scheduled_creates_a_scheduled_task(api: Api) -> None:
    response = api.post("/api/tasks", {**EVERY_MINUTE, "task_type": "scheduled"})
    schedule = created(response)
    assert response.headers["Location"] == f"/api/scheduled-tasks/{schedule['id']}"
    assert schedule["next_run_at"] == "2026-11-23T08:31:00.000Z"
    assert api.get("/api/tasks").get_json()["items"] == []


def test_ids_are_uuids_that_begin_with_the_time(api: Api) -> None:
    task_id = api.create()["id"]
    assert int(task_id.replace("-", "")[:12], 16) == NOON_MS
    assert task_id[14] == "7"


def test_values_of_headers_are_not_shown_to_anybody(api: Api) -> None:
    response = api.post("/api/tasks", {**CALL, "headers": {"Authorization": "Bearer very-secret", "X-A": "b"}})
    assert created(response)["headers"] == {"Authorization": "***", "X-A": "***"}
    assert "very-secret" not in api.get(response.headers["Location"]).text


def test_text_of_any_script_comes_back_as_it_was(api: Api) -> None:
    name = "отчёт 报告 \u202e🥕 <script>alert(1)</script>"
    task = api.create(
        name=name, function_code="def main(**kwargs): pass", kwargs={"ключ": ["\x7f", None, 1.5, {"": False}]}
    )
    assert task["name"] == name
    assert task["kwargs"] == {"ключ": ["\x7f", None, 1.5, {"": False}]}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"args": [1, 2, 3]}, "args"),
        ({"args": [1], "kwargs": {"a": 2}}, "args"),
        ({"kwargs": {"c": 1}}, "kwargs"),
        ({"function_code": "def main(a): pass"}, "args"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_where_they_are_wrong(
    api: Api, fields: dict[str, Any], named: str
) -> None:
    assert fields_of(api.post("/api/tasks", {**CODE, **fields})) == [named]


def test_a_body_with_a_byte_order_mark_is_read(api: Api) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(CODE).encode()
    response = api.call("POST", "/api/tasks", data=body, headers={"Content-Type": "application/json"})
    assert created(response)["name"] == CODE["name"]


@pytest.mark.parametrize("way", ["alone", "with a wait", "in a batch", "as a retry"])
def test_a_task_is_created_once_its_program_has_been_checked(
    api: Api, store: Store, sandbox: Sandbox, clock: VirtualClock, worker: PlayedWorker, way: str
) -> None:
    """A long program on a busy machine takes seconds, in which others create tasks."""

    def check(*call: Any) -> Sequence[Finding]:
        clock.advance(3_000)
        api.create(api_url="http://target.test/", name="meanwhile")
        return sandbox.check(*call)

    slow = Api(web_on(compose(Settings(), store, check, clock)))
    spec = {**CODE, "name": "checked", "expires_in": 1}
    if way == "in a batch":
        [task] = slow.post("/api/tasks/batch", {"tasks": [spec]}).get_json()["items"]
    elif way == "as a retry":
        original_id = api.create()["id"]
        worker.succeed(original_id)
        task = created(slow.post(f"/api/tasks/{original_id}/retry", spec))
    else:
        task = created(slow.post("/api/tasks", spec, headers={"Prefer": "wait=1"} if way == "with a wait" else {}))
    assert task["created_at"] == task["due_at"] == "2026-11-23T08:30:03.000Z", "expires_in counts from here"
    for path in ("/api/tasks?created_before=2026-11-23T08:30:03.001Z&name=checked", "/api/tasks?limit=1"):
        assert [item["id"] for item in api.get(path).get_json()["items"]] == [task["id"]]
