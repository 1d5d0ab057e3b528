"""Bad input: its status, every wrong field by name, nothing created, nothing in the log."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from app.store.listing import Filters
from app.store.store import Store
from tests.api.calls import CALL, CODE, EVERY_MINUTE, UNKNOWN_ID, Api, fields_of


@pytest.fixture(autouse=True)
def nothing_is_created_and_nothing_logged(store: Store, caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO)
    yield
    assert store.listing.page(Filters(), 10).items == []
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], [""]),
        ("text", [""]),
        (7, [""]),
        ({}, ["name", "function_code"]),
        ({**CODE, "nmae": "x"}, ["nmae"]),
        ({**CODE, **CALL}, ["function_code", "api_url"]),
        ({"name": "neither"}, ["function_code"]),
        ({**CODE, "delay_seconds": 5}, ["delay_seconds"]),
        ({**CODE, "task_type": "delayed"}, ["delay_seconds"]),
        ({**CODE, "task_type": "delayed", "delay_seconds": 0}, ["delay_seconds"]),
        ({**CODE, "task_type": "delayed", "delay_seconds": -1}, ["delay_seconds"]),
        ({**CODE, "task_type": "delayed", "delay_seconds": "NaN"}, ["delay_seconds"]),
        (
            {**CODE, "task_type": "delayed", "delay_seconds": 5, "run_at": "2027-01-01T00:00:00Z"},
            ["delay_seconds", "run_at"],
        ),
        ({**CODE, "task_type": "delayed", "run_at": "2027-01-01T00:00:00"}, ["run_at"]),
        ({**CODE, "task_type": "delayed", "run_at": "2037-01-01T00:00:00Z"}, ["run_at"]),
        ({**CODE, "task_type": "sometimes"}, ["task_type"]),
        ({**CODE, "function_code": "def main(:"}, ["function_code"]),
        ({**CODE, "function_code": "import os\ndef main(): return os"}, ["function_code"]),
        ({**CODE, "function_name": "missing"}, ["function_name"]),
        ({**CODE, "function_code": "def main(a):\n    return a"}, ["args"]),
        ({**CODE, "function_code": "async def main(*, a):\n    return a", "kwargs": {"b": 1}}, ["kwargs"]),
        ({**CODE, "function_code": "def main(): pass\n" + "lambda: 1\n" * 4_000}, ["function_code"]),
        ({**CODE, "function_code": "x" * 262_145}, ["function_code"]),
        ({**CODE, "args": ["x" * 262_145]}, ["args"]),
        ({**CALL, "api_url": "ftp://target.test/"}, ["api_url"]),
        ({**CALL, "api_url": "http://user:secret@target.test/"}, ["api_url"]),
        ({**CALL, "headers": {"X-A": "b\r\nX-C: d"}}, ["headers"]),
        ({**CALL, "method": "TRACE"}, ["method"]),
        (
            {**CODE, "timeout": 0, "max_retries": 101, "priority": 10, "tags": [""]},
            ["timeout", "max_retries", "priority", "tags[0]"],
        ),
        ({**EVERY_MINUTE, "task_type": "scheduled", "cron_expression": "0 0 30 2 *"}, ["cron_expression"]),
        ({**EVERY_MINUTE, "task_type": "scheduled", "cron_expression": "61 * * * *"}, ["cron_expression"]),
        ({**EVERY_MINUTE, "task_type": "scheduled", "timezone": "Mars/Base"}, ["timezone"]),
        (
            {
                **EVERY_MINUTE,
                "task_type": "scheduled",
                "name": "",
                "cron_expression": "x",
                "timezone": "y",
                "function_code": "(",
            },
            ["name", "cron_expression", "timezone", "function_code"],
        ),
    ],
)
def test_a_wrong_spec_is_422_and_names_every_wrong_field(api: Api, body: Any, fields: list[str]) -> None:
    response = api.call("POST", "/api/tasks", json=body)
    assert sorted(fields_of(response)) == sorted(fields)


def test_code_that_does_not_compile_says_where(api: Api) -> None:
    response = api.post("/api/tasks", {**CODE, "function_code": "def main():\n    return (1"})
    assert response.get_json()["errors"] == [
        {"field": "function_code", "message": "SyntaxError: '(' was never closed", "line": 2, "column": 12}
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000, b"1" * 5_000, b'{"a": 1} x'],
)
def test_what_is_not_json_is_400(api: Api, body: bytes) -> None:
    response = api.call("POST", "/api/tasks", data=body, content_type="application/json")
    assert response.status_code == 400
    assert response.get_json()["detail"].startswith("the body is not valid JSON")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_another_type_is_415(api: Api, content_type: str | None) -> None:
    response = api.call("POST", "/api/tasks", data=b"{}", content_type=content_type)
    assert response.status_code == 415


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_a_compressed_body_is_415(api: Api, coding: str) -> None:
    response = api.post("/api/tasks", CODE, headers={"Content-Encoding": coding})
    assert response.status_code == 415
    assert response.get_json()["detail"] == "send the body without a Content-Encoding"
    assert api.post("/api/tasks", {}, headers={"Content-Encoding": "identity"}).status_code == 422


def test_a_body_over_the_limit_is_413(api: Api) -> None:
    response = api.call("POST", "/api/tasks", data=b" " * 1_048_577, content_type="application/json")
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/tasks/{UNKNOWN_ID}"),
        ("GET", f"/api/tasks/{UNKNOWN_ID}?wait=1"),
        ("GET", "/api/tasks/not-an-id"),
        ("GET", "/api/tasks/%00"),
        ("DELETE", f"/api/tasks/{UNKNOWN_ID}"),
        ("POST", f"/api/tasks/{UNKNOWN_ID}/stop"),
        ("GET", f"/api/scheduled-tasks/{UNKNOWN_ID}"),
        ("GET", f"/api/scheduled-tasks/{UNKNOWN_ID}/tasks"),
        ("GET", f"/api/scheduled-tasks/{UNKNOWN_ID}/firings"),
        ("DELETE", f"/api/scheduled-tasks/{UNKNOWN_ID}"),
        ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/pause"),
        ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/resume"),
        ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/run"),
        ("GET", "/api/nothing"),
        ("GET", "/nothing"),
    ],
)
def test_what_there_is_not_is_404(api: Api, method: str, path: str) -> None:
    response = api.call(method, path)
    assert response.status_code == 404
    assert response.get_json()["type"] == "urn:celeriac:problem:not-found"


def test_another_method_is_405_and_says_which_are_allowed(api: Api) -> None:
    response = api.call("PUT", "/api/tasks")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html", 406),
        ("text/html, */*;q=0.1", 200),
        ("application/json; charset=utf-8", 200),
        ("text/html, application/json;indent=2;q=0.5", 200),
        ("application/json; charset=utf-8; q=0", 406),
        ("text/json; charset=utf-8", 406),
    ],
)
def test_who_wants_no_json_is_told_so(api: Api, accept: str, status: int) -> None:
    assert api.get("/api/tasks", headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("status=done", ["status"]),
        ("kind=shell&task_type=cron", ["kind", "task_type"]),
        ("limit=0", ["limit"]),
        ("limit=201", ["limit"]),
        ("limit=1.5", ["limit"]),
        ("limit=ten", ["limit"]),
        ("cursor=first", ["cursor"]),
        ("created_after=yesterday&created_before=2026-11-23", ["created_after", "created_before"]),
        ("nmae=x", ["nmae"]),
        ("tag=a&tag=b&status=failed&status=stopped&kind=code", ["status", "tag"]),
        ("cursor=&cursor=5", ["cursor"]),
        (f"tag={'x' * 201}", ["tag"]),
    ],
)
def test_a_wrong_query_is_422(api: Api, query: str, fields: list[str]) -> None:
    assert sorted(fields_of(api.get(f"/api/tasks?{query}"))) == sorted(fields)


def test_a_query_that_would_be_ignored_in_silence_is_422(api: Api) -> None:
    assert fields_of(api.get("/api/tasks/stats?tag=a")) == ["tag"], "these would be the counts of all tags"
    everything = {"action": "delete", "filter": {"created_after": "2026-11-01T00:00:00Z"}}
    assert fields_of(api.post("/api/bulk?dry_run=true", everything)) == ["dry_run"]
    assert api.get("/api/bulk").get_json()["items"] == [], "it is in the body that a dry run is asked for"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tasks"),
        ("POST", "/api/tasks/batch"),
        ("POST", f"/api/tasks/{UNKNOWN_ID}/retry"),
        ("PATCH", f"/api/tasks/{UNKNOWN_ID}"),
        ("POST", "/api/scheduled-tasks"),
        ("PATCH", f"/api/scheduled-tasks/{UNKNOWN_ID}"),
        ("PUT", "/api/scheduled-tasks/by-key/mine"),
        ("POST", f"/api/scheduled-tasks/{UNKNOWN_ID}/run"),
        ("POST", "/api/cron/preview"),
        ("PUT", "/api/channels/ops"),
    ],
)
def test_what_belongs_in_the_body_or_in_prefer_is_no_parameter(api: Api, method: str, path: str) -> None:
    response = api.call(method, f"{path}?wait=5&timeout=2", json={})
    assert fields_of(response) == ["wait", "timeout"]


def test_a_wait_out_of_bounds_is_422(api: Api) -> None:
    assert fields_of(api.get(f"/api/tasks/{UNKNOWN_ID}?wait=61")) == ["wait"]
    assert fields_of(api.get(f"/api/tasks/{UNKNOWN_ID}?wait=-1")) == ["wait"]
    assert fields_of(api.get(f"/api/tasks/{UNKNOWN_ID}?wait=1&wait=2")) == ["wait"]


def test_a_body_in_chunks_has_the_same_limit(api: Api) -> None:
    """Its length is not said ahead, so only reading it tells."""
    for length, status in ((1_048_577, 413), (1_048_576, 400)):
        response = api.call(
            "POST",
            "/api/tasks",
            input_stream=io.BytesIO(b" " * length),
            content_type="application/json",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert response.status_code == status
