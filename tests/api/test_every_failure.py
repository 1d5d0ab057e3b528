"""Every way in which a request can fail, for every operation of the table: always a complete problem document.

The operations come from the table, so a new one is covered without a change here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.api.batches import BODY_FACTOR
from app.api.head_limits import MAX_HEADERS_BYTES, MAX_URL_BYTES
from app.api.operations import OPERATIONS, Operation
from app.domain.spec import PreviewSpec, ScheduleSpec, TaskSpec
from app.settings import ApiKey, Settings
from tests.api.calls import BASE_URL, CALL, CODE, EVERY_MINUTE, UNKNOWN_ID, Api
from tests.api.conftest import MakeWeb
from tests.api.test_error_shape import check_problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")
CANARY = "canary-7f3a"
JSON = "application/json"
READ_KEY = "read-key-0123456789abcdef0123456789abcdef"
LIMIT_BYTES = 4_096
GUARDED = Settings(api_keys=(ApiKey("r", "read", READ_KEY),))
BOUNDED = Settings(max_body_bytes=LIMIT_BYTES)

WITH_BODY = [each for each in OPERATIONS if each.body]
NEED_KEY = [each for each in OPERATIONS if not each.is_open]
UNDER_API = [each for each in OPERATIONS if each.path.startswith("/api/")]
OF_ONE = [each for each in OPERATIONS if "_id}" in each.path]
LISTS = [each for each in OPERATIONS if each.method == "GET" and any(p["name"] == "cursor" for p in each.parameters)]


def each(operations: list[Operation]) -> pytest.MarkDecorator:
    """A case for each of these operations."""
    return pytest.mark.parametrize("operation", operations, ids=lambda found: found.id)


def path_of(operation: Operation, part: str = UNKNOWN_ID) -> str:
    """The operation's path with `part` in the place of every parameter."""
    segments = operation.path.split("/")
    return "/".join(part if segment.startswith("{") else segment for segment in segments)


def check(response: TestResponse, status: int, path: str, sent: object = None) -> None:
    """sent: what tells this request of a test from its others."""
    assert response.status_code == status, (sent, response.text)
    problem = check_problem(status, response.content_type, response.text, path)
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert CANARY not in response.text


def test_the_table_has_operations_of_every_sort() -> None:
    assert min(map(len, (WITH_BODY, NEED_KEY, UNDER_API, OF_ONE, LISTS))) > 0


# --- before a view runs ----------------------------------------------------------------------------


@each(list(OPERATIONS))
def test_a_method_that_the_path_does_not_have_is_405_whatever_the_body_is(web: Flask, operation: Operation) -> None:
    path = path_of(operation)
    client = web.test_client()
    own = {other.method for other in OPERATIONS if path_of(other) == path}
    allowed = own | {"OPTIONS"} | ({"HEAD"} if "GET" in own else set())
    for method in sorted(set(METHODS) - allowed):
        response = client.open(path, method=method, base_url=BASE_URL, data=CANARY, content_type="text/plain")
        assert set(response.headers["Allow"].split(", ")) == allowed, method
        if method == "HEAD":
            assert (response.status_code, response.data) == (405, b"")
        else:
            check(response, 405, path)


@pytest.mark.parametrize(
    "path", ["/nothing", "/api", "/api/", "/api/nothing", "/api/tasks/a/b/c", "/static/", "/docs/x"]
)
def test_an_unknown_path_is_404_whatever_the_body_is(web: Flask, path: str) -> None:
    client, headers = web.test_client(), {"Accept": "text/html"}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        response = client.open(path, method=method, base_url=BASE_URL, data=CANARY, headers=headers)
        check(response, 404, path, method)


@each(NEED_KEY)
def test_without_a_key_it_is_401_and_with_a_lesser_key_403(make_web: MakeWeb, operation: Operation) -> None:
    client, path = make_web(GUARDED).test_client(), path_of(operation)
    for headers in ({}, {"X-API-Key": CANARY}, {"Authorization": f"Bearer {CANARY}"}, {"Authorization": "Basic x"}):
        check(client.open(path, method=operation.method, base_url=BASE_URL, headers=headers), 401, path)
    if operation.method != "GET":
        headers = {"X-API-Key": READ_KEY}
        check(client.open(path, method=operation.method, base_url=BASE_URL, headers=headers), 403, path)


@each(NEED_KEY)
def test_a_host_that_is_not_this_machine_is_403(web: Flask, operation: Operation) -> None:
    path = path_of(operation)
    headers = {"Host": f"{CANARY}.example"}
    check(web.test_client().open(path, method=operation.method, base_url=BASE_URL, headers=headers), 403, path)


@each(UNDER_API)
def test_a_caller_that_accepts_no_json_is_406(api: Api, operation: Operation) -> None:
    headers = {"Accept": "text/csv"}
    check(api.call(operation.method, path_of(operation), headers=headers), 406, path_of(operation))


@each(list(OPERATIONS))
def test_a_head_that_is_too_large_is_414_or_431(api: Api, operation: Operation) -> None:
    path = path_of(operation)
    check(api.call(operation.method, path, query_string=CANARY + "x" * MAX_URL_BYTES), 414, path)
    check(api.call(operation.method, path, headers={"X-Long": CANARY + "x" * MAX_HEADERS_BYTES}), 431, path)


# --- bodies ----------------------------------------------------------------------------------------


@each(WITH_BODY)
def test_a_body_of_another_type_is_415(api: Api, operation: Operation) -> None:
    path = path_of(operation)
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded", f"x/{CANARY}"):
        response = api.call(operation.method, path, data=f'"{CANARY}"', content_type=content_type)
        check(response, 415, path, content_type)


NO_JSON = (
    b"",
    b"{",
    f'{{"name": "{CANARY}'.encode(),
    f'{{"{CANARY}": nope}}'.encode(),
    b'{"a": NaN}',
    b'{"a": "\xff"}',
    b'"\\ud800"',
    b"[" * 2_000,
    b"{} {}",
)


@each(WITH_BODY)
def test_a_body_that_is_not_json_is_400(api: Api, operation: Operation) -> None:
    path = path_of(operation)
    for body in NO_JSON:
        status = 400 if body or operation.needs_body else 404
        check(api.call(operation.method, path, data=body, content_type=JSON), status, path, body[:80])


@each(WITH_BODY)
def test_a_body_that_is_too_large_is_413(make_web: MakeWeb, operation: Operation) -> None:
    limit = LIMIT_BYTES * (BODY_FACTOR if operation.id == "createTasks" else 1)
    path, body = path_of(operation), CANARY.encode() + b" " * limit
    api = Api(make_web(BOUNDED))
    check(api.call(operation.method, path, data=body, content_type=JSON), 413, path)


def _paths_of_bodies(api: Api) -> Callable[[Operation], str]:
    waiting, finished = (api.create(task_type="delayed", delay_seconds=600)["id"] for _ in range(2))
    api.post(f"/api/tasks/{finished}/stop")
    schedule_id = api.schedule()["id"]
    api.put("/api/channels/ops", {"kind": "slack", "url": "https://hooks.slack.com/services/1"})

    def path(found: Operation) -> str:
        task_id = finished if found.id == "retryTask" else waiting
        return found.path.format(task_id=task_id, schedule_id=schedule_id, key="mine", name="ops")

    return path


@each(WITH_BODY)
def test_a_body_that_is_no_spec_is_422(api: Api, operation: Operation) -> None:
    path = _paths_of_bodies(api)(operation)
    bodies: list[Any] = [[], [CANARY], CANARY, 1, None, True, {"unknown": CANARY}]
    for body in bodies:
        check(api.call(operation.method, path, data=json.dumps(body), content_type=JSON), 422, path, body)


# --- ids, queries and headers ----------------------------------------------------------------------


@each(OF_ONE)
def test_one_that_does_not_exist_is_404(api: Api, operation: Operation) -> None:
    body = {"name": CANARY} if operation.body else None
    for part in (UNKNOWN_ID, "x", "0" * 36, "%00", "é", "..%2f", "0198f3c2-5c1e-4a3b-9f21-3d0c8e6b1a42"):
        response = api.call(operation.method, path_of(operation, part), json=body)
        check(response, 404, response.get_json()["instance"], part)


@each(LISTS)
def test_every_wrong_parameter_is_named_at_once(api: Api, operation: Operation) -> None:
    path = _paths_of_bodies(api)(operation)
    numbers = [p["name"] for p in operation.parameters if p["in"] == "query" and _is_narrow(p["schema"])]
    response = api.get(path, query_string={**dict.fromkeys(numbers, CANARY), "unknown": CANARY})
    check(response, 422, path)
    assert {error["field"] for error in response.get_json()["errors"]} == {*numbers, "unknown"}
    check(api.get(path, query_string={"cursor": CANARY}), 422, path)


def _is_narrow(schema: dict[str, Any]) -> bool:
    return "enum" in schema or schema.get("format") == "date-time" or schema["type"] == "integer"


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a b", "é"])
def test_a_malformed_idempotency_key_is_422(api: Api, key: str) -> None:
    check(api.post("/api/tasks", CODE, headers={"Idempotency-Key": key}), 422, "/api/tasks")


# --- fields ----------------------------------------------------------------------------------------

#: Their messages quote the wrong word, at most a few characters: an expression may have many.
QUOTED = {"cron_expression", "timezone", "expected_status", "retry_on"}
WRONG: list[Any] = [CANARY, [CANARY], {"key": CANARY}, [[CANARY]], {"key": {"key": CANARY}}, {"key": [[CANARY]]}]


def _wrong_fields() -> Iterator[Any]:
    for base, path, model in (
        (CODE, "/api/tasks", TaskSpec),
        (CALL, "/api/tasks", TaskSpec),
        (EVERY_MINUTE, "/api/scheduled-tasks", ScheduleSpec),
        ({"cron_expression": "* * * * *"}, "/api/cron/preview", PreviewSpec),
    ):
        for name in model.model_fields:
            if name not in QUOTED:
                yield pytest.param(base, path, name, id=f"{path} {base.get('name', '')} {name}")


@pytest.mark.parametrize(("base", "path", "name"), list(_wrong_fields()))
def test_what_a_field_held_is_never_told(api: Api, base: dict[str, Any], path: str, name: str) -> None:
    refused = 0
    for value in WRONG:
        response = api.post(path, {**base, name: value})
        if response.status_code == 422:
            check(response, 422, path)
            refused += 1
    assert refused >= (0 if name in ("name", "data") else 3)


def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    wrong = {name: {"key": [[CANARY]]} for name in TaskSpec.model_fields if name not in ("data", "kwargs")}
    response = api.post("/api/tasks", {**wrong, "unknown": CANARY})
    check(response, 422, "/api/tasks")
    named = {error["field"].partition(".")[0].partition("[")[0] for error in response.get_json()["errors"]}
    assert named >= {*wrong, "unknown"}
