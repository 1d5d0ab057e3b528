"""POST /api/tasks/batch"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import redis
from werkzeug.test import TestResponse

from app.api import batches
from app.api.context import compose
from app.api.large_bodies import LargeBodies
from app.domain.batch import MAX_BATCH_CODE_BYTES, MAX_BATCH_TASKS, MAX_PROBLEMS_PER_TASK
from app.domain.errors import Unavailable
from app.settings import Settings
from app.store.store import Store
from tests.api.calls import CALL, CODE, EVERY_MINUTE, Api, PlayedWorker, fields_of
from tests.api.conftest import web_on
from tests.conftest import VirtualClock

KEYED = {"Idempotency-Key": "batch-1"}
DELAYED = {**CODE, "task_type": "delayed", "delay_seconds": 60}
MANY = [{**CODE, "name": f"task {number}", "args": [number]} for number in range(250)]


def batch(api: Api, tasks: Any, **more: Any) -> TestResponse:
    headers = more.pop("headers", {})
    return api.post("/api/tasks/batch", {"tasks": tasks, **more}, headers=headers)


def items(response: TestResponse, status: int = 201) -> list[dict[str, Any]]:
    assert response.status_code == status, response.text
    return list(response.get_json()["items"])


def names(api: Api) -> list[str]:
    """The names of up to 200 tasks, the oldest first."""
    return [task["name"] for task in reversed(api.get("/api/tasks?limit=200").get_json()["items"])]


def test_all_kinds_and_times_are_created_in_order(api: Api, worker: PlayedWorker) -> None:
    made = items(batch(api, [CODE, CALL, DELAYED]))
    assert [(task["kind"], task["status"]) for task in made] == [
        ("code", "queued"),
        ("api", "queued"),
        ("code", "waiting"),
    ]
    for task in made:
        assert api.get(f"/api/tasks/{task['id']}").get_json() == task
    assert [task["id"] for task in made] == sorted(task["id"] for task in made)
    worker.succeed(made[0]["id"])


def test_a_batch_of_several_chunks(api: Api, worker: PlayedWorker) -> None:
    made = items(batch(api, MANY, atomic=True))
    assert [task["name"] for task in made] == [task["name"] for task in MANY]
    assert names(api) == [task["name"] for task in MANY][-200:]
    assert worker.start(made[200]["id"]).spec["args"] == [200]


@pytest.mark.parametrize("name", ["a\0b", "A\0b"])
def test_names_of_a_batch_of_several_chunks_may_hold_any_character(api: Api, name: str) -> None:
    """A NUL stands between the values of a chunk."""
    made = items(batch(api, [*MANY, {**CODE, "name": name}]))
    (found,) = api.get("/api/tasks", query_string={"name": "a\0*"}).get_json()["items"]
    assert (found["id"], found["name"]) == (made[-1]["id"], name)
    assert api.delete(f"/api/tasks/{found['id']}").status_code == 204
    assert names(api) == [task["name"] for task in MANY][-200:]


def test_one_wrong_task_creates_none_and_every_wrong_field_is_named(api: Api) -> None:
    wrong = [
        CODE,
        {**CODE, "timeout": 0, "tags": ["", "a"]},
        CALL,
        {"name": "x"},
        7,
        {**CODE, "function_code": "def f("},
    ]
    response = batch(api, wrong)
    assert sorted(fields_of(response)) == [
        "tasks.1.tags[0]",
        "tasks.1.timeout",
        "tasks.3.function_code",
        "tasks.4",
        "tasks.5.function_code",
    ]
    assert response.get_json()["errors"][-1]["line"] == 1
    assert names(api) == []


def test_not_atomic_each_answers_for_itself(api: Api) -> None:
    response = batch(api, [{**CODE, "timeout": 0}, CODE, 7, CALL], atomic=False)
    body = response.get_json()
    assert (body["created"], body["refused"]) == (2, 2)
    first, second, third, fourth = items(response, 200)
    assert (first["status"], [error["field"] for error in first["errors"]]) == (422, ["timeout"])
    assert (third["status"], [error["field"] for error in third["errors"]]) == (422, [""])
    for item, name in ((second, "sum"), (fourth, "ping")):
        assert (item["status"], item["task"]["name"]) == (201, name)
        assert api.get(f"/api/tasks/{item['task']['id']}").get_json() == item["task"]
    assert len(names(api)) == 2


def test_not_atomic_may_create_nothing(api: Api) -> None:
    response = batch(api, [7, {}], atomic=False, headers=KEYED)
    assert (response.get_json()["created"], response.get_json()["refused"]) == (0, 2)
    assert names(api) == []


@pytest.mark.parametrize("is_atomic", [True, False])
def test_a_scheduled_task_is_refused_by_name(api: Api, is_atomic: bool) -> None:
    response = batch(api, [CODE, {**EVERY_MINUTE, "task_type": "scheduled"}], atomic=is_atomic)
    if is_atomic:
        assert fields_of(response) == ["tasks.1.task_type"]
    else:
        assert [error["field"] for error in items(response, 200)[1]["errors"]] == ["task_type"]
    assert api.get("/api/scheduled-tasks").get_json()["items"] == []


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ([CODE], [""]),
        ({}, ["tasks"]),
        ({"tasks": []}, ["tasks"]),
        ({"tasks": CODE}, ["tasks"]),
        ({"tasks": [CODE], "atomic": "yes"}, ["atomic"]),
        ({"tasks": [CODE], "colour": "red", "name": "x"}, ["colour", "name"]),
        ({"tasks": [CODE], "colour": None}, ["colour"]),
        ({"tasks": [CODE] * (MAX_BATCH_TASKS + 1)}, ["tasks"]),
    ],
    ids=["list", "empty", "no tasks", "no list", "atomic", "unknown", "unknown and null", "too many"],
)
def test_a_wrong_envelope_is_named(api: Api, body: Any, wrong: list[str]) -> None:
    assert sorted(fields_of(api.post("/api/tasks/batch", body))) == wrong


def test_the_listed_problems_are_bounded(api: Api) -> None:
    many = {**CODE, **{f"x{number}": 1 for number in range(1_000)}}
    assert len(fields_of(batch(api, [many, many]))) == 2 * MAX_PROBLEMS_PER_TASK


def test_a_body_may_have_16_times_as_much_as_another(api: Api) -> None:
    settings = Settings()
    large = [{**CODE, "args": ["x" * 200_000]} for _ in range(20)]
    assert settings.max_body_bytes < len(json.dumps(large)) < batches.BODY_FACTOR * settings.max_body_bytes
    assert len(items(batch(api, large))) == 20
    assert api.post("/api/tasks", {**CODE, "args": ["x" * settings.max_body_bytes]}).status_code == 413
    assert batch(api, ["x" * batches.BODY_FACTOR * settings.max_body_bytes]).status_code == 413


def test_few_large_bodies_are_handled_at_once(store: Store, clock: VirtualClock) -> None:
    context = replace(compose(Settings(), store, lambda *_: [], clock), large_bodies=LargeBodies(1, 0.01))
    api = Api(web_on(context))
    large = [{**CODE, "args": ["x" * 200_000]} for _ in range(6)]
    with context.large_bodies(is_large=True):
        response = batch(api, large)
        assert (response.status_code, response.get_json()["type"]) == (503, "urn:celeriac:problem:full")
        assert len(items(batch(api, [CODE]))) == 1, "small ones are not counted"
    assert len(items(batch(api, large))) == 6


def test_each_program_is_checked_once_and_their_size_is_bounded(store: Store, clock: VirtualClock) -> None:
    checked = list[str]()

    def check(source: str, function_name: str, call: Any = None) -> Sequence[Any]:
        checked.append(source)
        return []

    api = Api(web_on(compose(Settings(), store, check, clock)))
    assert len(items(batch(api, MANY))) == len(MANY)
    assert checked == [CODE["function_code"]]
    different = [{**CODE, "function_code": f"{number}{'#' * 200_000}"} for number in range(6)]
    assert sum(len(task["function_code"]) for task in different) > MAX_BATCH_CODE_BYTES
    assert fields_of(batch(api, different)) == ["tasks"]
    other_calls = [{**different[0], "kwargs": {f"x{number}": 1}} for number in range(6)]
    assert fields_of(batch(api, other_calls)) == ["tasks"], "each way to call it is a check of its own"
    assert len(checked) == 1
    assert len(items(batch(api, [different[0]] * 6))) == 6
    assert len(checked) == 2


def test_redis_is_asked_once_for_all_channels_that_a_batch_names(api: Api, raw_redis: redis.Redis) -> None:
    api.put("/api/channels/ops", {"kind": "slack", "url": "https://hooks.slack.com/services/1"})
    tasks = [{**task, "alert": {"channels": ["ops", f"nowhere-{at}"]}} for at, task in enumerate(MANY)]
    batch(api, tasks)  # connects
    before = raw_redis.info("commandstats")
    refused = batch(api, tasks, atomic=False)
    after = raw_redis.info("commandstats")
    assert refused.get_json()["refused"] == len(MANY)
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert sum(calls.values()) - calls["cmdstat_info"] < 10


@pytest.mark.parametrize("is_atomic", [True, False])
@pytest.mark.parametrize("tasks", [[7, CODE, DELAYED], MANY], ids=["few", "many"])
def test_a_repeated_request_gets_the_first_answer(
    api: Api, clock: VirtualClock, worker: PlayedWorker, tasks: list[Any], is_atomic: bool
) -> None:
    tasks = [task for task in tasks if isinstance(task, dict) or not is_atomic]
    first = batch(api, tasks, atomic=is_atomic, headers=KEYED)
    before = names(api)
    clock.advance(3_000)
    again = batch(api, tasks, atomic=is_atomic, headers=KEYED)
    assert (again.status_code, again.get_json()) == (first.status_code, first.get_json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert names(api) == before
    other = batch(api, [CODE], headers=KEYED)
    assert other.get_json()["type"] == "urn:celeriac:problem:key-reused"


def test_a_batch_that_was_interrupted_is_answered_and_a_repetition_completes_it(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(batch_id: str) -> None:
        raise Unavailable("TimeoutError")

    with monkeypatch.context() as patched:
        patched.setattr(store.batches, "complete", die)
        first = items(batch(api, MANY, headers=KEYED))
    assert names(api) == []
    assert items(batch(api, MANY, headers=KEYED)) == first
    assert api.get(f"/api/tasks/{first[-1]['id']}").get_json() == first[-1]


def test_a_batch_that_does_not_fit_is_refused_whole(store: Store, clock: VirtualClock) -> None:
    api = Api(web_on(compose(Settings(max_queued_tasks=249), store, lambda *_: [], clock)))
    for is_atomic in (True, False):
        response = batch(api, MANY, atomic=is_atomic)
        assert (response.status_code, response.get_json()["type"]) == (503, "urn:celeriac:problem:full")
    assert names(api) == []
    assert len(items(batch(api, MANY[:249]))) == 249
