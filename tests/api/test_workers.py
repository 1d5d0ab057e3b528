"""GET /api/workers"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.settings import Settings
from app.store.heartbeats import SILENCE_MS
from app.store.store import Store
from tasks.runtime import MAX_RUNNING_REPORTED, Identity, Runtime
from tests.api.calls import Api, fields_of
from tests.conftest import VirtualClock
from tests.store.making import claimed, created

STARTED_AT = "2026-11-23T08:30:00.000Z"
#: What `facts` of tasks/runtime.py reports.
FACTS: dict[str, Any] = {
    "pid": 4711,
    "version": "1.0",
    "queues": ["celeriac.code"],
    "concurrency": 4,
    "consuming": True,
    "started_at": STARTED_AT,
    "running": [],
    "sandbox": {"seccomp": "on", "user": "needs root"},
}


def items(api: Api) -> list[dict[str, Any]]:
    response = api.get("/api/workers")
    assert response.status_code == 200
    return list(response.get_json()["items"])


def test_without_workers_the_list_is_empty(api: Api) -> None:
    assert items(api) == []


def test_each_worker_is_shown_as_it_reported(api: Api, store: Store, clock: VirtualClock) -> None:
    running = [{"task_id": created(store, clock()), "name": "ü", "kind": "code", "started_at": STARTED_AT}]
    store.liveness.worker_alive("b@host", FACTS, clock())
    clock.advance(2_000)
    store.liveness.worker_alive("a@host", {**FACTS, "running": running, "consuming": False}, clock())
    assert items(api) == [
        {"hostname": "a@host", **FACTS, "running": running, "consuming": False, "seen_at": "2026-11-23T08:30:02.000Z"},
        {"hostname": "b@host", **FACTS, "seen_at": STARTED_AT},
    ]


@pytest.mark.parametrize("end", ["silence", "shutdown"])
def test_a_worker_that_is_gone_is_not_shown(api: Api, store: Store, clock: VirtualClock, end: str) -> None:
    store.liveness.worker_alive("a@host", FACTS, clock())
    if end == "silence":
        clock.advance(SILENCE_MS + 1)
    else:
        store.liveness.worker_gone("a@host")
    assert items(api) == []


def test_a_worker_of_an_earlier_version_that_reports_ids_only_is_shown(
    api: Api, store: Store, clock: VirtualClock
) -> None:
    store.liveness.worker_alive("a@host", {**FACTS, "running": [created(store, clock())]}, clock())
    assert [worker["running"] for worker in items(api)] == [[]]


def test_a_real_worker_reports_what_it_runs(api: Api, store: Store, redis_url: str, clock: VirtualClock) -> None:
    identity = Identity("code@here", ("celeriac.api",), 7)
    runtime = Runtime(replace(Settings(), redis_url=redis_url), store, identity, clock)
    second = claimed(store, created(store, clock(), name="second"), clock.advance(5))
    first = replace(claimed(store, created(store, clock(), name="first"), clock()), started_ms=clock() - 5)
    no_cancel: Callable[[], Any] = runtime.executors["api"].new_cancel
    with runtime.in_flight(second, no_cancel(), 0), runtime.in_flight(first, no_cancel(), 0):
        store.liveness.worker_alive("code@here", runtime.facts(), clock())
    (worker,) = items(api)
    assert (worker["hostname"], worker["queues"], worker["concurrency"]) == ("code@here", ["celeriac.api"], 7)
    assert worker["running"] == [
        {"task_id": first.task_id, "name": "first", "kind": "code", "started_at": STARTED_AT},
        {"task_id": second.task_id, "name": "second", "kind": "code", "started_at": "2026-11-23T08:30:00.005Z"},
    ]


def test_the_report_is_bounded(store: Store, redis_url: str, clock: VirtualClock) -> None:
    runtime = Runtime(Settings(redis_url=redis_url), store, Identity("code@here", ("celeriac.api",), 1), clock)
    attempt = claimed(store, created(store, clock()), clock())
    new_cancel = runtime.executors["api"].new_cancel
    held = [runtime.in_flight(attempt, new_cancel(), 0) for _ in range(MAX_RUNNING_REPORTED + 1)]
    for one in held:
        one.__enter__()
    assert len(runtime.facts()["running"]) == MAX_RUNNING_REPORTED
    for one in held:
        one.__exit__(None, None, None)


def test_an_unknown_parameter_is_refused(api: Api) -> None:
    assert fields_of(api.get("/api/workers?queue=x")) == ["queue"]
