"""/health, /api/health, /health/live and /health/ready"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask

from app.settings import Settings
from app.store.heartbeats import SILENCE_MS
from app.store.store import Store
from tests.api.calls import CODE, Api
from tests.api.conftest import MakeWeb
from tests.conftest import VirtualClock

BOTH = ["celeriac.code", "celeriac.api"]
#: Makes a worker that serves these queues give a sign of life.
Live = Callable[..., None]


@pytest.fixture
def alive(store: Store, clock: VirtualClock) -> Live:
    def alive(*queues: str, name: str = "worker@host", **layers: str) -> None:
        facts: dict[str, Any] = {"queues": list(queues), "sandbox": layers or {"seccomp": "on"}}
        store.liveness.worker_alive(name, facts, clock())

    return alive


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_with_all_parts_it_is_ok(api: Api, store: Store, clock: VirtualClock, alive: Live, path: str) -> None:
    alive(*BOTH, seccomp="on", landlock="on")
    store.liveness.beat_ticked("beat@host", clock())
    response = api.get(path)
    report = response.get_json()
    assert (response.status_code, report["status"]) == (200, "ok")
    assert report["workers"]["queues"] == {"celeriac.code": 1, "celeriac.api": 1}
    assert report["sandbox"]["layers"] == {"seccomp": "on", "landlock": "on"}
    assert report["redis"]["round_trip_ms"] < 1000
    memory = report["redis"]["memory"]
    assert memory["used_bytes"] > 0
    assert memory["max_bytes"] is None
    assert report["redis"]["warnings"] == [
        "appendonly is off, so a crash of Redis loses the latest tasks; set appendonly yes"
    ]


def test_without_workers_and_beat_it_is_degraded_and_says_why(api: Api) -> None:
    response = api.get("/health")
    report = response.get_json()
    assert (response.status_code, report["status"]) == (503, "degraded")
    assert report["workers"]["detail"] == "no worker serves celeriac.code, celeriac.api"
    assert report["beat"]["detail"] == "no beat is running, so scheduled tasks do not fire"
    assert report["redis"]["status"] == "ok"


def test_a_silent_worker_and_a_silent_beat_count_as_gone(
    api: Api, store: Store, clock: VirtualClock, alive: Live
) -> None:
    alive(*BOTH)
    store.liveness.beat_ticked("beat@host", clock())
    clock.advance(SILENCE_MS + 1)
    report = api.get("/health").get_json()
    assert (report["workers"]["status"], report["beat"]["status"], report["beat"]["age_seconds"]) == (
        "down",
        "down",
        10.001,
    )


def test_a_worker_that_fetches_nothing_serves_nothing(api: Api, store: Store, clock: VirtualClock, alive: Live) -> None:
    alive(*BOTH, name="good@host")
    facts = {"queues": BOTH, "sandbox": {"seccomp": "on"}, "consuming": False}
    store.liveness.worker_alive("stuck@host", facts, clock())
    report = api.get("/health").get_json()
    assert report["workers"]["status"] == "down"
    assert report["workers"]["detail"] == "not fetching tasks: stuck@host"
    assert api.get("/health/ready").status_code == 200, "the other one does"
    store.liveness.worker_gone("good@host")
    assert api.get("/health/ready").status_code == 503


def test_a_redis_that_takes_no_writes_is_down(api: Api, raw_redis: redis.Redis, alive: Live) -> None:
    alive(*BOTH)
    raw_redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        assert api.get("/health").get_json()["redis"]["detail"] == "Redis is a read-only replica"
        assert api.get("/health/ready").status_code == 503
    finally:
        raw_redis.execute_command("REPLICAOF", "NO", "ONE")


def test_a_layer_that_one_worker_lacks_is_not_on(api: Api, alive: Live) -> None:
    alive(*BOTH, name="a@host", seccomp="on", landlock="on")
    alive("celeriac.code", name="b@host", seccomp="on", landlock="the kernel has none")
    assert api.get("/health").get_json()["sandbox"]["layers"] == {"seccomp": "on", "landlock": "the kernel has none"}


def test_it_is_ready_when_each_queue_has_a_worker(api: Api, alive: Live) -> None:
    assert api.get("/health/ready").status_code == 503
    alive("celeriac.code", name="code@host")
    assert api.get("/health/ready").status_code == 503
    alive("celeriac.api", name="api@host")
    response = api.get("/health/ready")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_it_is_ready_though_there_is_no_room_for_new_tasks(make_web: MakeWeb, alive: Live) -> None:
    api = Api(make_web(Settings(max_queued_tasks=1)))
    alive(*BOTH)
    api.create()
    assert api.post("/api/tasks", CODE).status_code == 503
    assert api.get("/health/ready").status_code == 200


def test_it_lives_without_workers(api: Api) -> None:
    response = api.get("/health/live")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_without_redis_it_lives_is_not_ready_and_says_what_is_down(away: Flask) -> None:
    api = Api(away)
    assert api.get("/health/live").status_code == 200
    for path in ("/health/ready", "/health"):
        response = api.get(path)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    report = response.get_json()
    assert report["status"] == "degraded"
    assert report["redis"]["status"] == "down"
    assert "workers" not in report


def test_readiness_is_never_cached(api: Api) -> None:
    assert api.get("/health/ready").headers["Cache-Control"] == "no-store"
