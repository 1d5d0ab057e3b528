"""`Prefer: wait=N` and `?wait=N`: the finish wakes who waits, and nobody asks Redis meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from app.store.listing import Filters
from app.store.store import Store
from tests.api.calls import CODE, Api, PlayedWorker
from tests.servers import wait_until

SOON_SECONDS = 15.0  # below every wait in here


def wait_for_listeners(raw_redis: redis.Redis, store: Store, task_id: str) -> None:
    """Wait until somebody listens for the end of the task."""
    channel = store.keys.done(task_id)
    wait_until(lambda: dict(raw_redis.pubsub_numsub(channel)).get(channel), 15, "somebody who waits")


#: Our own looking, the listener's sign of life, its unsubscribing, which may come after the answer, and the first
#: command of a new connection.
OTHERS = {"info", "ping", "unsubscribe", "hello"}


def commands(raw_redis: redis.Redis) -> Counter[str]:
    """How often the server has carried out each command for those who wait."""
    stats: dict[str, Any] = raw_redis.info("commandstats")  # type: ignore[assignment]
    calls = Counter({name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()})
    return calls - Counter({name: calls[name] for name in OTHERS})


def test_the_finish_wakes_all_who_wait(
    web: Flask, api: Api, store: Store, raw_redis: redis.Redis, worker: PlayedWorker
) -> None:
    task_id = api.create()["id"]
    with ThreadPoolExecutor(4) as pool:
        by_query = [pool.submit(Api(web).get, f"/api/tasks/{task_id}?wait=30") for _ in range(2)]
        by_header = [
            pool.submit(Api(web).get, f"/api/tasks/{task_id}", headers={"Prefer": "wait=30"}) for _ in range(2)
        ]
        waiting: list[Future[TestResponse]] = by_query + by_header
        wait_for_listeners(raw_redis, store, task_id)
        began = time.monotonic()
        worker.succeed(task_id)
        answers = [each.result(20).get_json() for each in waiting]
    assert time.monotonic() - began < SOON_SECONDS
    assert [(each["status"], each["result"]) for each in answers] == [("succeeded", 7)] * 4


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=30", "wait=30"),
        ("respond-async, wait=100", "wait=60"),
        ("wait=1234567890", "wait=60"),
        (f"wait={'9' * 4000}", "wait=60"),
        (f"wait={'0' * 4000}25", "wait=25"),
    ],
)
def test_a_create_that_waits_is_answered_at_the_finish(
    web: Flask, store: Store, worker: PlayedWorker, prefer: str, applied: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(Api(web).post, "/api/tasks", CODE, headers={"Prefer": prefer})
        wait_until(lambda: store.listing.page(Filters(), 1).items, 15, "the task")
        task_id = store.listing.page(Filters(), 1).items[0].id
        began = time.monotonic()
        worker.succeed(task_id)
        response = answer.result(20)
    assert time.monotonic() - began < SOON_SECONDS
    assert (response.status_code, response.headers["Preference-Applied"]) == (201, applied)
    assert response.get_json()["status"] == "succeeded"


@pytest.mark.parametrize("path", ["/api/tasks", "run"])
def test_a_create_that_waits_is_answered_when_its_task_is_deleted(
    web: Flask, api: Api, store: Store, path: str
) -> None:
    """It was created: 404 would say that it was not."""
    body = None if path == "run" else CODE
    path = f"/api/scheduled-tasks/{api.schedule()['id']}/run" if path == "run" else path
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(Api(web).post, path, body, headers={"Prefer": "wait=30"})
        wait_until(lambda: store.listing.page(Filters(), 1).items, 15, "the task")
        task_id = store.listing.page(Filters(), 1).items[0].id
        began = time.monotonic()
        assert api.delete(f"/api/tasks/{task_id}").status_code == 204
        response = answer.result(40)
    assert time.monotonic() - began < SOON_SECONDS
    assert (response.status_code, response.get_json()["id"]) == (201, task_id)


def test_a_stop_and_a_failure_wake_too(
    web: Flask, api: Api, store: Store, raw_redis: redis.Redis, worker: PlayedWorker
) -> None:
    for end in ("stopped", "failed"):
        task_id = api.create()["id"]
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(Api(web).get, f"/api/tasks/{task_id}?wait=30")
            wait_for_listeners(raw_redis, store, task_id)
            if end == "stopped":
                api.post(f"/api/tasks/{task_id}/stop")
            else:
                worker.fail(task_id)
            assert answer.result(20).get_json()["status"] == end


def test_when_the_process_ends_all_who_wait_get_the_record_as_it_is(
    web: Flask, api: Api, store: Store, raw_redis: redis.Redis
) -> None:
    task_id, work = api.create()["id"], {"action": "stop", "filter": {"kind": "code"}}
    bulk_id = api.post("/api/bulk", work).get_json()["id"]
    hold = {"headers": {"Prefer": "wait=60"}}
    with ThreadPoolExecutor(3) as pool:
        creating = pool.submit(Api(web).post, "/api/tasks", CODE, **hold)
        reading = [
            pool.submit(Api(web).get, f"/api/{path}", **hold) for path in (f"tasks/{task_id}", f"bulk/{bulk_id}")
        ]
        wait_for_listeners(raw_redis, store, task_id)
        wait_for_listeners(raw_redis, store, bulk_id)
        wait_until(lambda: len(store.listing.page(Filters(), 2).items) == 2, 15, "the new task")
        began = time.monotonic()
        store.subscriber.end_waits()
        answers = [each.result(40) for each in (creating, *reading)]
    later = Api(web).get(f"/api/tasks/{task_id}", **hold)
    assert time.monotonic() - began < SOON_SECONDS
    told = [(each.status_code, each.get_json()["status"]) for each in (*answers, later)]
    assert told == [(201, "queued"), (200, "queued"), (200, "running"), (200, "queued")]


def test_the_number_of_commands_does_not_grow_with_the_waiting_time(api: Api, raw_redis: redis.Redis) -> None:
    task_id = api.create()["id"]
    api.get(f"/api/tasks/{task_id}?wait=0.05")  # the listening connection is made once
    used: list[Counter[str]] = []
    for seconds in (0.1, 1.2):
        before = commands(raw_redis)
        began = time.monotonic()
        task = api.get(f"/api/tasks/{task_id}?wait={seconds}").get_json()
        assert time.monotonic() - began >= seconds
        assert task["status"] == "queued"
        used.append(commands(raw_redis) - before)
    assert used[0] == used[1]
    assert used[0]["evalsha"] > 0


@pytest.mark.parametrize("query", ["", "?wait=0", "?wait="])
def test_without_a_wait_the_answer_comes_at_once(api: Api, query: str) -> None:
    task_id = api.create()["id"]
    began = time.monotonic()
    assert api.get(f"/api/tasks/{task_id}{query}").get_json()["status"] == "queued"
    assert time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize("prefer", ["wait", "wait=-1", "wait=soon", "wait=1.5", "return=minimal", "x=wait=5", "wait=0"])
def test_a_preference_that_says_nothing_is_no_error(api: Api, prefer: str) -> None:
    response = api.post("/api/tasks", CODE, headers={"Prefer": prefer})
    assert response.status_code == 201
    assert "Preference-Applied" not in response.headers


def test_a_get_says_whether_it_was_held_as_preferred(api: Api, worker: PlayedWorker) -> None:
    task_id = api.create()["id"]
    worker.succeed(task_id)
    bulk_id = api.post("/api/bulk", {"action": "stop", "filter": {"name": "none"}}).get_json()["id"]
    for path in (f"/api/tasks/{task_id}", f"/api/bulk/{bulk_id}"):
        for query, applied in (("", "wait=9"), ("?wait=", "wait=9"), ("?wait=0", None), ("?wait=5", None)):
            response = api.get(f"{path}{query}", headers={"Prefer": "wait=9"})
            assert (response.status_code, response.headers.get("Preference-Applied")) == (200, applied), query
        assert "Preference-Applied" not in api.get(path).headers


def test_a_finished_task_is_not_waited_for(api: Api, worker: PlayedWorker) -> None:
    task_id = api.create()["id"]
    worker.succeed(task_id)
    began = time.monotonic()
    assert api.get(f"/api/tasks/{task_id}?wait=60").get_json()["status"] == "succeeded"
    assert time.monotonic() - began < SOON_SECONDS
