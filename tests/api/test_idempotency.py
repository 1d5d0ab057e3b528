"""`Idempotency-Key` on every POST that creates: a repetition creates nothing and gets the first answer again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from app.api.context import compose
from app.settings import Settings
from app.store.store import Store
from sandbox import Sandbox
from tests.api.calls import CALL, CODE, EVERY_MINUTE, UNKNOWN_ID, Api, PlayedWorker, created
from tests.api.conftest import web_on
from tests.conftest import VirtualClock
from tests.servers import RedisServer, wait_until

KEYED = {"Idempotency-Key": "order-4711"}
DELAYED = {**CODE, "task_type": "delayed", "delay_seconds": 60, "tags": ["a", "b"], "timeout": 2.5}
SCHEDULED = {**EVERY_MINUTE, "task_type": "scheduled"}
CREATING: list[tuple[str, Any]] = [
    ("/api/tasks", CODE),
    ("/api/tasks", {**CALL, "headers": {"X-A": "b"}, "data": [1, None], "timeout": 30}),
    ("/api/tasks", DELAYED),
    ("/api/tasks", SCHEDULED),
    ("/api/scheduled-tasks", {**EVERY_MINUTE, "start_at": "2026-12-24T00:00:00+01:00", "tags": ["a"]}),
]


def assert_repeated(first: TestResponse, again: TestResponse) -> None:
    """It is the first answer, and says that it is given again."""
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true"), again.text
    assert again.headers["Location"] == first.headers["Location"]
    assert again.get_json() == first.get_json()


def count(api: Api) -> tuple[int, int]:
    """How many tasks and scheduled tasks there are."""
    return tuple(len(api.get(f"/api/{name}").get_json()["items"]) for name in ("tasks", "scheduled-tasks"))  # type: ignore[return-value]


@pytest.mark.parametrize(("path", "body"), CREATING)
def test_the_same_request_gets_the_first_answer_again(
    api: Api, clock: VirtualClock, path: str, body: dict[str, Any]
) -> None:
    first = api.post(path, body, headers=KEYED)
    before = count(api)
    clock.advance(3_000)
    again = api.post(path, dict(reversed(body.items())), headers=KEYED)  # the same JSON, written otherwise
    assert_repeated(first, again)
    assert count(api) == before
    assert sum(before) == 1
    assert created(first) == api.get(first.headers["Location"]).get_json(), "it is what was stored"


@pytest.mark.parametrize(("path", "body"), CREATING)
def test_it_does_so_whatever_has_become_of_it(api: Api, worker: PlayedWorker, path: str, body: dict[str, Any]) -> None:
    first = api.post(path, body, headers=KEYED)
    location = first.headers["Location"]
    if first.get_json()["status"] == "queued":
        worker.succeed(first.get_json()["id"])
        assert_repeated(first, api.post(path, body, headers=KEYED))
    api.delete(location)
    assert_repeated(first, api.post(path, body, headers=KEYED))
    assert api.get(location).status_code == 404, "nothing was created anew"


ALERT = {"alert": {"channels": ["ops"]}}


def put_channel(api: Api, name: str) -> None:
    assert api.put(f"/api/channels/{name}", {"kind": "webhook", "url": "https://example.com/told"}).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tasks", {**CODE, **ALERT}),
        ("/api/scheduled-tasks", {**EVERY_MINUTE, **ALERT}),
        ("/api/tasks/batch", {"tasks": [CODE, {**CODE, **ALERT}]}),
    ],
)
def test_it_does_so_when_a_channel_is_gone_since(api: Api, path: str, body: dict[str, Any]) -> None:
    put_channel(api, "ops")
    first = api.post(path, body, headers=KEYED)
    api.delete("/api/channels/ops")
    again = api.post(path, body, headers=KEYED)
    assert (again.status_code, again.get_json()) == (201, first.get_json())


def test_a_batch_that_is_not_atomic_does_so_whatever_channels_come_and_go(api: Api) -> None:
    put_channel(api, "ops")
    unknown = {**CODE, "alert": {"channels": ["nowhere"]}}
    batch = {"tasks": [{**CODE, **ALERT}, unknown, CODE], "atomic": False}
    first = api.post("/api/tasks/batch", batch, headers=KEYED)
    assert [item["status"] for item in first.get_json()["items"]] == [201, 422, 201]
    api.delete("/api/channels/ops")
    put_channel(api, "nowhere")
    for item in first.get_json()["items"][::2]:
        api.delete(f"/api/tasks/{item['task']['id']}")
    again = api.post("/api/tasks/batch", batch, headers=KEYED)
    assert (again.status_code, again.get_json()) == (200, first.get_json())


@pytest.mark.parametrize(("path", "body"), CREATING)
def test_without_a_key_and_with_another_each_request_creates(api: Api, path: str, body: dict[str, Any]) -> None:
    for headers in ({}, {}, KEYED, {"Idempotency-Key": "ORDER-4711"}):
        assert "Idempotency-Replayed" not in api.post(path, body, headers=headers).headers
    assert sum(count(api)) == 4


@pytest.mark.parametrize("other", [{**CODE, "name": "other"}, {**CODE, "tags": []}, {}, [], SCHEDULED, {"name": 3}])
def test_another_body_is_refused_valid_or_not(api: Api, other: Any) -> None:
    first = api.post("/api/tasks", CODE, headers=KEYED)
    refused = api.post("/api/tasks", other, headers=KEYED)
    assert refused.status_code == 422
    problem = refused.get_json()
    assert (problem["type"], problem["errors"]) == ("urn:celeriac:problem:key-reused", [])
    assert_repeated(first, api.post("/api/tasks", CODE, headers=KEYED))
    assert count(api) == (1, 0)


def test_a_key_is_its_own_for_each_path(api: Api) -> None:
    api.post("/api/tasks", SCHEDULED, headers=KEYED)
    assert "Idempotency-Replayed" not in api.post("/api/scheduled-tasks", SCHEDULED, headers=KEYED).headers
    assert count(api) == (0, 2)


def test_what_was_refused_is_not_remembered(api: Api) -> None:
    assert api.post("/api/tasks", {**CODE, "priority": 99}, headers=KEYED).status_code == 422
    assert "Idempotency-Replayed" not in api.post("/api/tasks", CODE, headers=KEYED).headers
    assert count(api) == (1, 0)


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "0" * 256])
@pytest.mark.parametrize(("path", "body"), CREATING[3:4] + CREATING[:1])
def test_what_can_be_no_key_is_refused_by_its_name(api: Api, path: str, body: dict[str, Any], key: str) -> None:
    refused = api.post(path, body, headers={"Idempotency-Key": key})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.get_json()["errors"]] == ["Idempotency-Key"]
    assert count(api) == (0, 0)


def test_a_key_is_remembered_for_a_day_under_a_hash(api: Api, raw_redis: redis.Redis) -> None:
    first = created(api.post("/api/tasks", CODE, headers=KEYED))
    (name,) = raw_redis.keys("celeriac:idem:*")
    assert 86_390 <= raw_redis.ttl(name) <= 86_400
    assert "4711" not in name + str(raw_redis.get(name))
    assert raw_redis.memory_usage(name) <= 300
    raw_redis.pexpire(name, 1)
    wait_until(lambda: not raw_redis.exists(name), 15, "the end of the key")
    assert created(api.post("/api/tasks", CODE, headers=KEYED))["id"] != first["id"]


# --- waiting ---------------------------------------------------------------------------------------


def test_a_repetition_that_waits_gets_the_finished_task(api: Api, worker: PlayedWorker) -> None:
    first = created(api.post("/api/tasks", CODE, headers=KEYED))
    finishing = threading.Timer(0.3, worker.succeed, [first["id"]])
    finishing.start()
    again = api.post("/api/tasks", CODE, headers={**KEYED, "Prefer": "wait=10"})
    finishing.join()
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert (again.get_json()["id"], again.get_json()["status"], again.get_json()["result"]) == (
        first["id"],
        "succeeded",
        7,
    )
    assert again.headers["Preference-Applied"] == "wait=10"
    api.delete(again.headers["Location"])
    gone = api.post("/api/tasks", CODE, headers={**KEYED, "Prefer": "wait=10"})
    assert gone.get_json() == first, "there is nothing to wait for"


# --- one firing now --------------------------------------------------------------------------------


def test_run_now_is_repeated_with_the_task_as_it_stands(api: Api, worker: PlayedWorker) -> None:
    schedule = api.schedule()
    path = f"/api/scheduled-tasks/{schedule['id']}/run"
    first = api.post(path, headers=KEYED)
    assert created(first) == api.get(first.headers["Location"]).get_json()
    assert_repeated(first, api.post(path, headers=KEYED))
    worker.succeed(first.get_json()["id"])
    api.patch(path.removesuffix("/run"), {"name": "another"})
    again = api.post(path, headers=KEYED).get_json()
    assert (again["id"], again["status"], again["name"]) == (first.get_json()["id"], "succeeded", schedule["name"])
    assert api.get(path.removesuffix("/run")).get_json()["run_count"] == 1
    assert created(api.post(path, headers={"Idempotency-Key": "b"}))["id"] != again["id"]
    api.delete(first.headers["Location"])
    assert api.post(path, headers=KEYED).status_code == 404
    assert api.post(path, headers={"Idempotency-Key": ""}).status_code == 422
    assert api.post(f"/api/scheduled-tasks/{UNKNOWN_ID}/run", headers=KEYED).status_code == 404


# --- races and lost answers ------------------------------------------------------------------------

RACERS = 50


@pytest.mark.parametrize(("path", "body"), [*CREATING[:1], *CREATING[3:], ("run", None)])
@pytest.mark.parametrize("wait", [{}, {"Prefer": "wait=1"}])
def test_of_50_equal_requests_at_once_one_creates_and_all_get_the_same(
    web: Flask, api: Api, path: str, body: Any, wait: dict[str, str]
) -> None:
    if path == "run":
        path = f"/api/scheduled-tasks/{api.schedule()['id']}/run"
    before = sum(count(api))
    together = threading.Barrier(RACERS)

    def post(_: int) -> TestResponse:
        caller = Api(web, {**KEYED, **wait})
        together.wait(30)
        return caller.post(path, body)

    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(post, range(RACERS)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count(None) == 1
    assert sum(count(api)) - before == 1


def test_of_requests_with_different_bodies_at_once_one_wins(web: Flask, api: Api) -> None:
    together = threading.Barrier(20)

    def post(number: int) -> int:
        caller = Api(web, KEYED)
        together.wait(30)
        return caller.post("/api/tasks", {**CODE, "name": f"n{number}"}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(post, range(20))) == [201, *[422] * 19]
    assert count(api) == (1, 0)


def hang(own_server: RedisServer, monkeypatch: pytest.MonkeyPatch, part: Any, name: str) -> None:
    """Once Redis is asked for this, it hangs until its caller has given up; then it goes on, and does it."""
    with redis.Redis.from_url(own_server.url) as raw:
        pid = raw.info("server")["process_id"]
    real: Callable[..., Any] = getattr(part, name)

    def hanging(*args: Any) -> Any:
        monkeypatch.undo()
        os.kill(pid, signal.SIGSTOP)
        try:
            return real(*args)
        finally:
            os.kill(pid, signal.SIGCONT)

    monkeypatch.setattr(part, name, hanging)


@pytest.mark.parametrize(
    ("path", "body", "part", "name"),
    [
        ("/api/tasks", CODE, "tasks", "create"),
        ("/api/tasks", SCHEDULED, "schedules", "create"),
        ("/api/scheduled-tasks", EVERY_MINUTE, "schedules", "create"),
        ("run", None, "schedules", "run_now"),
    ],
)
def test_a_retry_after_an_answer_that_never_came_creates_nothing_more(
    own_server: RedisServer,
    clock: VirtualClock,
    sandbox: Sandbox,
    redis_url: str,
    path: str,
    body: Any,
    part: str,
    name: str,
) -> None:
    """The 503 says that it may have been carried out; and it has."""
    store = Store.at(own_server.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis_url)  # for Celery, which writes the messages
        api = Api(web_on(compose(Settings(), store, sandbox.check, clock)))
        path = f"/api/scheduled-tasks/{api.schedule()['id']}/run" if path == "run" else path
        api.post(path, body)  # all that is loaded at first use is there
    before = sum(count(api))
    with pytest.MonkeyPatch.context() as patch:
        hang(own_server, patch, getattr(store, part), name)
        lost = api.post(path, body, headers=KEYED)
    assert lost.status_code == 503
    assert "may have been carried out" in lost.get_json()["detail"]
    wait_until(lambda: sum(count(api)) > before, 15, "what Redis has carried out")
    again = api.post(path, body, headers=KEYED)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.get_json() == api.get(again.headers["Location"]).get_json()
    assert sum(count(api)) - before == 1
    store.close()
