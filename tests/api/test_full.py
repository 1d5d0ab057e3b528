"""There is no room for more: 503 of the type `full` with `Retry-After`, and nothing that was accepted is dropped."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from app.settings import Settings
from app.store.store import Store
from app.store.tasks import Hold
from app.usecases.admission import MEMORY_LOOK_MS
from app.usecases.retention import Retention
from tests.api.calls import BASE_URL, CALL, CODE, EVERY_MINUTE, Api, PlayedWorker, created
from tests.api.conftest import MakeWeb
from tests.conftest import VirtualClock
from tests.servers import used_memory_bytes

LIMIT = 3
DELAYED = {**CODE, "task_type": "delayed", "delay_seconds": 60}
CREATING = [
    ("/api/tasks", CODE),
    ("/api/tasks", CALL),
    ("/api/tasks", DELAYED),
    ("/api/tasks", {**CODE, "task_type": "delayed", "delay_seconds": 1}),
]


def assert_full(answer: TestResponse) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.get_json()["type"] == "urn:celeriac:problem:full"
    assert int(answer.headers["Retry-After"]) > 0


def total(api: Api) -> int:
    return int(api.get("/api/tasks/stats").get_json()["total"])


@pytest.fixture
def small(make_web: MakeWeb) -> Flask:
    """An application in which three tasks may wait."""
    return make_web(Settings(max_queued_tasks=LIMIT))


@pytest.mark.parametrize(("path", "body"), CREATING)
@pytest.mark.parametrize("filler", CREATING)
def test_the_limit_counts_whatever_waits(small: Flask, path: str, body: Any, filler: tuple[str, Any]) -> None:
    api = Api(small)
    for _ in range(LIMIT):
        created(api.post(*filler))
    assert_full(api.post(path, body))
    assert_full(api.post(path, body, headers={"Prefer": "wait=5"}))
    assert total(api) == LIMIT


def test_what_runs_or_is_finished_makes_room(small: Flask, worker: PlayedWorker, clock: VirtualClock) -> None:
    api = Api(small)
    ids = [api.create()["id"] for _ in range(LIMIT)]
    attempt = worker.start(ids[0])
    api.create()
    assert_full(api.post("/api/tasks", CODE))
    worker.end_stopped(attempt)
    assert_full(api.post("/api/tasks", CODE))
    worker.succeed(ids[1])
    api.create()
    assert_full(api.post("/api/tasks", CODE))
    api.post(f"/api/tasks/{ids[2]}/stop")
    last = api.create()["id"]
    assert_full(api.post("/api/tasks", CODE))
    api.delete(f"/api/tasks/{last}")
    api.create()


def test_run_now_is_refused_and_scheduled_tasks_are_not(small: Flask) -> None:
    api = Api(small)
    for _ in range(LIMIT):
        api.create()
    schedule = api.schedule()
    created(api.post("/api/tasks", {**EVERY_MINUTE, "task_type": "scheduled"}))
    path = f"/api/scheduled-tasks/{schedule['id']}"
    assert_full(api.post(f"{path}/run"))
    assert api.get(path).get_json()["run_count"] == 0


def test_a_repetition_gets_its_answer_and_a_refused_request_keeps_its_key(small: Flask, worker: PlayedWorker) -> None:
    api = Api(small)
    keyed = [api.post("/api/tasks", CODE, headers={"Idempotency-Key": str(number)}) for number in range(LIMIT)]
    assert_full(api.post("/api/tasks", CODE, headers={"Idempotency-Key": "more"}))
    again = api.post("/api/tasks", CODE, headers={"Idempotency-Key": "0"})
    assert (again.status_code, again.get_json()) == (201, keyed[0].get_json())
    worker.succeed(keyed[0].get_json()["id"])
    more = api.post("/api/tasks", CODE, headers={"Idempotency-Key": "more"})
    assert created(more)
    assert "Idempotency-Replayed" not in more.headers


def test_the_limit_is_exact_however_many_call_at_once(small: Flask) -> None:
    together = threading.Barrier(30)

    def post(_: int) -> int:
        caller = Api(small)
        together.wait(30)
        return caller.post("/api/tasks", CODE).status_code

    with ThreadPoolExecutor(30) as pool:
        assert sorted(pool.map(post, range(30))) == [201] * LIMIT + [503] * (30 - LIMIT)
    assert total(Api(small)) == LIMIT


# --- memory ----------------------------------------------------------------------------------------


@pytest.fixture
def memory(raw_redis: redis.Redis) -> Iterator[redis.Redis]:
    """The server whose memory a test limits; afterwards it has no limit.

    So much is in use that buffers of connections, which come and go, change little of the share.
    """
    raw_redis.setrange("ballast", 20_000_000, "x")
    yield raw_redis
    raw_redis.config_set("maxmemory", "0")
    raw_redis.delete("ballast")


def limit_to_share(raw: redis.Redis, share: float) -> None:
    """Set the limit so that the server uses this share of it."""
    raw.config_set("maxmemory", str(round(used_memory_bytes(raw) / share)))


def test_creating_ends_before_the_memory_does(api: Api, clock: VirtualClock, memory: redis.Redis) -> None:
    ids = [api.create()["id"] for _ in range(3)]
    schedule = api.schedule()
    limit_to_share(memory, 0.97)
    clock.advance(MEMORY_LOOK_MS)
    for path, body in [*CREATING, ("/api/scheduled-tasks", EVERY_MINUTE)]:
        assert_full(api.post(path, body))
    assert_full(api.put("/api/scheduled-tasks/by-key/mine", EVERY_MINUTE))
    assert_full(api.post(f"/api/scheduled-tasks/{schedule['id']}/run"))
    assert total(api) == 3
    part = api.get("/health").get_json()["redis"]
    assert re.fullmatch(r"Redis uses 9[5-9] % of its maxmemory, so new tasks are refused", part["detail"])
    for task_id in ids:
        assert api.delete(f"/api/tasks/{task_id}").status_code == 204
    memory.config_set("maxmemory", "0")
    assert_full(api.post("/api/tasks", CODE))  # it looks once a second
    clock.advance(MEMORY_LOOK_MS)
    api.create()


def test_half_of_the_memory_is_no_reason(api: Api, clock: VirtualClock, memory: redis.Redis) -> None:
    limit_to_share(memory, 0.5)
    api.create()


def test_what_was_accepted_is_ended_although_the_memory_is_full(
    api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock, memory: redis.Redis
) -> None:
    ran, stopped, running, deleted, due = (
        api.create()["id"],
        api.create()["id"],
        api.create()["id"],
        api.create()["id"],
        api.create(task_type="delayed", delay_seconds=1)["id"],
    )
    attempt = worker.start(running)
    memory.config_set("maxmemory", "1")
    clock.advance(MEMORY_LOOK_MS)
    assert_full(api.post("/api/tasks", CODE))
    assert store.tasks.renew([attempt], clock() + 15_000) == [Hold.RENEWED]
    worker.succeed(ran, stdout="out")
    worker.succeed(due)
    assert api.post(f"/api/tasks/{stopped}/stop").status_code == 200
    assert api.delete(f"/api/tasks/{deleted}").status_code == 204
    assert store.tasks.stop(running, clock()) == ("running", "running")
    worker.end_stopped(attempt)
    assert api.get(f"/api/tasks/{ran}").get_json()["result"] == 7
    assert {api.get(f"/api/tasks/{each}").get_json()["status"] for each in (stopped, running)} == {"stopped"}
    assert api.get(f"/api/tasks/{due}").get_json()["status"] == "succeeded"


def test_events_and_output_are_read_live_although_the_memory_is_full(
    web: Flask, api: Api, store: Store, worker: PlayedWorker, memory: redis.Redis
) -> None:
    ended, running = api.create()["id"], api.create()["id"]
    attempt = worker.start(running)
    memory.config_set("maxmemory", "1")
    stream = web.test_client().get("/api/events", base_url=BASE_URL)
    assert stream.status_code == 200
    stream.close()
    start = store.events.record().end
    worker.succeed(ended)
    assert [event.change.after for event in store.events.after(start)] == ["running", "succeeded"]
    assert store.events.write_output(running, attempt.epoch, 0, "so far")
    assert api.get(f"/api/tasks/{running}").get_json()["stdout"] == "so far"


def test_what_the_memory_does_not_permit_changes_nothing(api: Api, memory: redis.Redis) -> None:
    schedule = api.schedule()
    memory.config_set("maxmemory", "1")
    path = f"/api/scheduled-tasks/{schedule['id']}"
    assert_full(api.post(f"{path}/pause"))
    assert api.get(path).get_json() == schedule


#: A program so long that it is kept once for all tasks that have it: whatever removes one of them counts it down.
LONG_PROGRAM = CODE["function_code"] + "\n#" + "-" * 2_000


def test_deleting_makes_room_although_the_memory_is_full(
    api: Api, worker: PlayedWorker, clock: VirtualClock, memory: redis.Redis
) -> None:
    waiting, ended = (api.create(function_code=LONG_PROGRAM)["id"] for _ in range(2))
    schedule = api.schedule(function_code=LONG_PROGRAM)["id"]
    worker.succeed(ended)
    memory.config_set("maxmemory", "1")
    for path in (f"/api/tasks/{waiting}", f"/api/tasks/{ended}", f"/api/scheduled-tasks/{schedule}"):
        assert api.delete(path).status_code == 204
        assert api.get(path).status_code == 404


@pytest.mark.parametrize("limits", [{"result_ttl": 60.0}, {"max_finished_tasks": 0}])
def test_retention_makes_room_although_the_memory_is_full(
    api: Api,
    store: Store,
    worker: PlayedWorker,
    clock: VirtualClock,
    memory: redis.Redis,
    limits: dict[str, Any],
) -> None:
    ended = [api.create(function_code=LONG_PROGRAM)["id"] for _ in range(2)]
    for each in ended:
        worker.succeed(each)
    memory.config_set("maxmemory", "1")
    assert Retention(store.retention, replace(Settings(), **limits)).trim(clock.advance(60_001)) == 2
    assert [api.get(f"/api/tasks/{each}").status_code for each in ended] == [404, 404]
