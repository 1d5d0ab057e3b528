"""Calls of the API through Flask's test client; every answer is held against the document and the models."""

from __future__ import annotations

import re
from functools import cache, reduce
from operator import or_
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from pydantic import TypeAdapter
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app.api import responses
from app.api.operations import OPERATIONS, Operation
from app.domain.outcome import Failure, Outcome
from app.store.store import Store
from app.store.tasks import Attempt
from tests.conftest import VirtualClock
from tests.servers import wait_until

BASE_URL = "http://localhost:5001"
LEASE_MS = 15_000

PROGRAM = {"function_code": "def main(a=1, b=2):\n    return a + b", "function_name": "main"}
CODE: dict[str, Any] = {"name": "sum", **PROGRAM}
CALL: dict[str, Any] = {"name": "ping", "api_url": "http://target.test/hook"}
EVERY_MINUTE: dict[str, Any] = {"name": "minutely", "cron_expression": "* * * * *", **PROGRAM}
UNKNOWN_ID = "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"

DIVISION = Failure("ZeroDivisionError", "division by zero", 2, "…")

#: Every call that needs Redis: method, path, body.
EVERY_CALL: list[tuple[str, str, Any]] = [
    ("POST", "/api/tasks", CODE),
    ("POST", "/api/tasks", {**EVERY_MINUTE, "task_type": "scheduled"}),
    ("POST", "/api/tasks/batch", {"tasks": [CODE]}),
    ("GET", "/api/tasks", None),
    ("GET", "/api/tasks/stats", None),
    ("GET", "/api/tasks/upcoming", None),
    ("GET", "/api/workers", None),
    ("GET", "/api/tasks/errors", None),
    ("GET", "/api/tasks/export", None),
    ("GET", "/api/events", None),
    ("GET", f"/api/tasks/{UNKNOWN_ID}/events", None),
    ("GET", f"/api/tasks/{UNKNOWN_ID}", None),
    ("PATCH", f"/api/tasks/{UNKNOWN_ID}", {"name": "x"}),
    ("DELETE", f"/api/tasks/{UNKNOWN_ID}", None),
    ("POST", f"/api/tasks/{UNKNOWN_ID}/stop", None),
    ("POST", f"/api/tasks/{UNKNOWN_ID}/retry", {"timeout": 5}),
    ("POST", "/api/scheduled-tasks", EVERY_MINUTE),
    ("GET", "/api/scheduled-tasks", None),
    ("GET", f"/api/scheduled-tasks/{UNKNOWN_ID}", None),
    ("PATCH", f"/api/scheduled-tasks/{UNKNOWN_ID}", {"name": "x"}),
    ("PUT", "/api/scheduled-tasks/by-key/mine", EVERY_MINUTE),
    ("GET", f"/api/scheduled-tasks/{UNKNOWN_ID}/tasks", None),
    ("GET", f"/api/scheduled-tasks/{UNKNOWN_ID}/firings", None),
    ("DELETE", f"/api/scheduled-tasks/{UNKNOWN_ID}", None),
    ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/pause", None),
    ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/resume", None),
    ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/run", None),
    ("GET", "/api/audit", None),
    ("GET", "/api/channels", None),
    ("GET", "/api/channels/ops", None),
    ("PUT", "/api/channels/ops", {"kind": "slack", "url": "https://hooks.slack.com/services/1"}),
    ("PATCH", "/api/channels/ops", {"language": "zh"}),
    ("DELETE", "/api/channels/ops", None),
    ("POST", f"/api/channels/{UNKNOWN_ID}/test", None),
    ("POST", "/api/bulk", {"action": "stop", "filter": {"kind": "code"}}),
    ("GET", "/api/deliveries", None),
    ("GET", f"/api/deliveries/{UNKNOWN_ID}", None),
    ("POST", f"/api/deliveries/{UNKNOWN_ID}/replay", None),
    ("GET", "/api/bulk", None),
    ("GET", f"/api/bulk/{UNKNOWN_ID}", None),
    ("POST", f"/api/bulk/{UNKNOWN_ID}/abort", None),
]

TASK: Any = reduce(or_, responses.TASKS.values())
SCHEDULED_TASK: Any = reduce(or_, responses.SCHEDULED_TASKS.values())
_BY_ROUTE = {(operation.method, operation.path): operation for operation in OPERATIONS}
_UNIONS: dict[str, Any] = {
    "Task": TASK,
    "ScheduledTask": SCHEDULED_TASK,
    "TaskOrScheduledTask": TASK | SCHEDULED_TASK,
    "OpenAPI": dict[str, Any],
}


class Api:
    """The API as a caller with these headers sees it."""

    def __init__(self, web: Flask, headers: dict[str, str] | None = None) -> None:
        self.web = web
        self._client: FlaskClient = web.test_client()
        self._headers = headers or {}

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send it, and check that the answer is one that the document describes."""
        headers = {**self._headers, **options.pop("headers", {})}
        response = self._client.open(path, method=method, base_url=BASE_URL, headers=headers, **options)
        check_answer(self.web, method, path, response)
        return response

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        if body is not None:
            options["json"] = body
        return self.call("POST", path, **options)

    def patch(self, path: str, body: Any) -> TestResponse:
        return self.call("PATCH", path, json=body)

    def put(self, path: str, body: Any) -> TestResponse:
        return self.call("PUT", path, json=body)

    def delete(self, path: str) -> TestResponse:
        return self.call("DELETE", path)

    def create(self, **fields: Any) -> dict[str, Any]:
        """Create a code task (or, with api_url, an API task), and return it."""
        base = CALL if "api_url" in fields else CODE
        return created(self.post("/api/tasks", {**base, **fields}))

    def schedule(self, **fields: Any) -> dict[str, Any]:
        """Create a scheduled task, and return it."""
        return created(self.post("/api/scheduled-tasks", {**EVERY_MINUTE, **fields}))


def created(response: TestResponse) -> dict[str, Any]:
    """What was created."""
    assert response.status_code == 201, response.text
    return dict(response.get_json())


def fields_of(response: TestResponse) -> list[str]:
    """The wrong fields that a 422 names."""
    assert response.status_code == 422, response.text
    return [error["field"] for error in response.get_json()["errors"]]


def check_answer(web: Flask, method: str, path: str, response: TestResponse) -> None:
    """The status is one that the document lists for the call, and the body fits its model, no member more."""
    operation = operation_of(web, method, path)
    status = response.status_code
    answer = operation.answers.get(status) if operation else None
    if operation and answer is None:
        assert status in operation.problems, f"{operation.id} does not list {status}: {response.text}"
    if answer is None:
        assert response.content_type == "application/problem+json"
        problem = responses.Problem.model_validate_json(response.data)
        assert problem.status == status
    elif answer.model:
        assert response.content_type == "application/json"
        adapter(answer.model).validate_json(response.data)
    elif answer.media_type == "application/json":
        assert response.data == b""


@cache
def adapter(model: str) -> TypeAdapter[Any]:
    """Reads what the document calls by this name. Cached: that of a union takes longer to make than a call."""
    return TypeAdapter(_UNIONS.get(model) or getattr(responses, model))


def operation_of(web: Flask, method: str, path: str) -> Operation | None:
    """What the document says of a call; None if it has no such call."""
    try:
        rule, _ = web.url_map.bind("localhost").match(path.partition("?")[0], method, return_rule=True)
    except HTTPException:  # no such path, or not with this method
        return None
    return _BY_ROUTE.get((method, path_of(rule.rule)))


def path_of(rule: str) -> str:
    """A route as the document writes it: `/api/tasks/{task_id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


class PlayedWorker:
    """Does to the record what a worker does, when the test says so."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store = store
        self._clock = clock

    def start(self, task_id: str) -> Attempt:
        """Claim the task."""
        now_ms = self._clock()
        attempt = self._store.tasks.claim(task_id, "code@played", now_ms, now_ms + LEASE_MS)
        assert isinstance(attempt, Attempt), attempt
        return attempt

    def succeed(self, task_id: str, result_json: bytes = b"7", stdout: str = "") -> None:
        """Run it to its success."""
        self._end(self.start(task_id), Outcome(result_json=result_json, stdout=stdout, cpu_ms=0.8, memory_kb=5120))

    def fail(self, task_id: str, failure: Failure = DIVISION) -> None:
        """Run it to its failure."""
        self._end(self.start(task_id), Outcome(failure=failure))

    def end_stopped(self, attempt: Attempt) -> None:
        """End an attempt as one that was told to stop."""
        self._end(attempt, Outcome(stopped=True))

    def run(self, task_id: str, outcome: Outcome) -> None:
        """Run it to this outcome."""
        self._end(self.start(task_id), outcome)

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        self._store.tasks.finish(attempt, outcome, self._clock(), 3.1)


def audit_lines(api: Api, number: int) -> list[dict[str, Any]]:
    """The lines of the audit, the newest first, once there are so many.

    They are sent on a connection of their own, without a wait for Redis, which may carry out a later read before.
    """

    def read() -> list[dict[str, Any]]:
        return list(api.get("/api/audit").get_json()["items"])

    wait_until(lambda: len(read()) >= number, 15, f"{number} lines in the audit")
    return read()
