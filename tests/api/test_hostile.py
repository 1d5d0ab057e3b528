"""What only a hostile or a careless client sends: numbers beyond JSON, half a body, a Host that lies."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from app.domain.errors import Unavailable
from app.store.listing import Filters
from app.store.store import Store
from tests.api.calls import BASE_URL, CALL, CODE, EVERY_MINUTE, Api, fields_of


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/tasks", {**CODE, "args": [1, {"deep": ["HUGE"]}]}, "args"),
        ("/api/tasks", {**CODE, "kwargs": {"a": "HUGE"}}, "kwargs"),
        ("/api/tasks", {**CALL, "method": "POST", "data": {"a": "HUGE"}}, "data"),
        ("/api/scheduled-tasks", {**EVERY_MINUTE, "args": ["HUGE"]}, "args"),
    ],
)
@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_that_no_answer_could_tell_is_refused(
    api: Api, path: str, body: dict[str, Any], field: str, number: str
) -> None:
    text = json.dumps(body).replace('"HUGE"', number)
    response = api.call("POST", path, data=text, content_type="application/json")
    assert response.status_code == 422
    assert fields_of(response) == [field]


def test_half_a_body_is_not_taken_for_the_whole(api: Api, store: Store) -> None:
    body = json.dumps(CODE).encode()
    response = api.web.test_client().post(
        "/api/tasks",
        base_url=BASE_URL,
        input_stream=io.BytesIO(body),
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(len(body) + 1), "wsgi.input_terminated": True},  # as granian has it
    )
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert store.listing.page(Filters(), 10).items == []


@pytest.mark.parametrize("limit", ["1e2", "1_0", "+5", " 5", "\u0665", "5.5", "9" * 400])
def test_a_limit_is_written_in_plain_digits(api: Api, limit: str) -> None:
    response = api.get("/api/tasks", query_string={"limit": limit})
    assert response.status_code == 422
    assert fields_of(response) == ["limit"]


@pytest.mark.parametrize("wait", ["0", "0.05", "1", "60"])
def test_a_wait_may_have_a_fraction(api: Api, wait: str) -> None:
    task_id = api.post("/api/tasks", CODE).get_json()["id"]
    api.post(f"/api/tasks/{task_id}/stop")
    assert api.get(f"/api/tasks/{task_id}", query_string={"wait": wait}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.test@localhost", "user:word@localhost:5001", "localhost/evil.test", "localhost?", "localhost#x"]
)
def test_a_host_that_only_looks_local_is_refused(api: Api, host: str) -> None:
    response = api.web.test_client().get("/api/tasks", base_url=BASE_URL, headers={"Host": host})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("reason", "promise"), [("ConnectionError", True), ("TimeoutError", False), ("ReplyLost", False)]
)
def test_a_redis_that_hangs_is_not_said_to_have_done_nothing(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch, reason: str, promise: bool
) -> None:
    def create(*_: Any) -> None:
        raise Unavailable(reason)

    monkeypatch.setattr(store.tasks, "create", create)
    response = api.post("/api/tasks", CODE)
    assert response.status_code == 503
    assert ("nothing was changed" in response.get_json()["detail"]) is promise
