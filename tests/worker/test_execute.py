"""Real workers run both kinds of task, which retry, stop, and survive the death of a worker."""

from __future__ import annotations

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from app.domain.status import Status
from app.store.record import Task
from app.store.store import Store
from app.usecases import tasks as task_usecases
from app.usecases.tasks import TaskService
from tests.lateness import Lateness
from tests.servers import HttpTarget, child_pids, kill_each, wait_until
from tests.system import needs_proc
from tests.worker.conftest import Start

LONG = "def f():\n    while True:\n        pass\n"


class Target(HttpTarget):
    """An HTTP server that answers 500 to the first `failures` calls, then 200, and keeps the requests' headers."""

    def __init__(self) -> None:
        super().__init__(TargetHandler)
        self.failures = 0
        self.calls: list[dict[str, str]] = []
        self.release = threading.Event()


class TargetHandler(http.server.BaseHTTPRequestHandler):
    server: Target

    def do_GET(self) -> None:
        self.server.calls.append(dict(self.headers))
        if self.path == "/hang":
            self.server.release.wait(30)
        fails = len(self.server.calls) <= self.server.failures
        body = json.dumps({"call": len(self.server.calls)}).encode()
        self.send_response(500 if fails else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    with Target().serving() as server:
        yield server
        server.release.set()


def code(source: str, **more: Any) -> dict[str, Any]:
    return {"name": "n", "function_code": source, "function_name": "f", **more}


def run(service: TaskService, raw: dict[str, Any], seconds: float = 20) -> Task:
    """Create a task and wait until it has finished."""
    task = service.create(raw, wait_seconds=seconds)
    assert task.status.finished, task
    return task


def when_running(service: TaskService, task: Task) -> Task:
    wait_until(lambda: service.get(task.id).status is Status.RUNNING, 10, "a worker starts the task")
    return service.get(task.id)


def test_both_kinds_run_in_one_worker(service: TaskService, start_worker: Start, target: Target) -> None:
    start_worker()
    done = run(service, code("def f(a, b=0):\n    print('hello')\n    return a + b * 3", args=[1], kwargs={"b": 2}))
    assert (done.status, done.result_json, done.stdout) == (Status.SUCCEEDED, "7", "hello\n")
    assert (done.worker, done.attempt, done.error) == ("one@test", 1, None)
    assert done.queued_ms is not None
    assert done.started_ms is not None
    assert done.finished_ms is not None
    assert done.created_ms <= done.started_ms <= done.finished_ms

    failed = run(service, code("def f():\n    return 1 / 0"))
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert (failed.error["type"], failed.error["line"]) == ("ZeroDivisionError", 2)

    called = run(service, {"name": "n", "api_url": f"{target.url}/x"})
    assert called.status is Status.SUCCEEDED, called
    result = json.loads(called.result_json or "null")
    assert (result["status_code"], result["body"]) == (200, {"call": 1})
    assert target.calls[0]["Celeriac-Task-Id"] == target.calls[0]["Idempotency-Key"] == called.id


def test_a_retry_is_the_next_attempt_and_each_is_recorded(
    service: TaskService, start_worker: Start, target: Target
) -> None:
    target.failures = 2
    start_worker()
    raw = {"name": "n", "api_url": target.url, "max_retries": 2, "retry_delay": 0.1}
    task = run(service, raw)
    assert (task.status, task.attempt) == (Status.SUCCEEDED, 3)
    assert [(entry["attempt"], entry["worker"], entry["error"]["type"]) for entry in task.attempts] == [
        (1, "one@test", "HTTPStatusError"),
        (2, "one@test", "HTTPStatusError"),
    ]
    assert [call["Celeriac-Attempt"] for call in target.calls] == ["1", "2", "3"]

    target.failures = 99
    task = run(service, {**raw, "max_retries": 1})
    assert (task.status, task.attempt, len(task.attempts)) == (Status.FAILED, 2, 1)
    assert json.loads(task.result_json or "null")["status_code"] == 500, "kept beside the error"


@pytest.mark.alone
def test_a_running_task_of_either_kind_is_stopped_within_a_second(
    service: TaskService, start_worker: Start, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_usecases, "STOP_PATIENCE_SECONDS", 15.0)  # the worker ends it, even one that stands still
    start_worker()
    for raw in (code(LONG), {"name": "n", "api_url": f"{target.url}/hang"}):
        task = when_running(service, service.create(raw))
        with Lateness() as late:
            stopped = service.stop(task.id)
        assert late.taken_seconds < 1
        assert stopped.status is Status.STOPPED
        assert stopped.duration_ms is not None, "the worker ended it; the record was not just closed"
    assert run(service, code("def f():\n    return 1")).status is Status.SUCCEEDED, "the worker keeps working"


def test_a_timeout_ends_one_attempt(service: TaskService, start_worker: Start, target: Target) -> None:
    start_worker()
    for raw in (code(LONG, timeout=0.3), {"name": "n", "api_url": f"{target.url}/hang", "timeout": 0.3}):
        with Lateness() as late:
            task = run(service, raw)
        assert task.error is not None
        assert task.error["type"] == "TimeoutError"
        assert task.duration_ms is not None
        assert 300 <= task.duration_ms < 2_000 + late.seconds * 1000


def test_delays_are_kept_without_any_beat(service: TaskService, start_worker: Start) -> None:
    """One delay is within the countdown's horizon; a worker promotes the other, since no beat is alive."""
    start_worker()
    with Lateness() as late:
        tasks = [
            service.create(code("def f():\n    return 1", task_type="delayed", delay_seconds=seconds))
            for seconds in (0.5, 3)
        ]
        assert [task.status for task in tasks] == [Status.WAITING, Status.WAITING]
        ended = [service.get(task.id, wait_seconds=20) for task in tasks]
    for done in ended:
        assert done.status is Status.SUCCEEDED
        assert done.started_ms is not None
        assert 0 <= done.started_ms - done.due_ms < 1_000 + late.seconds * 1000


def test_another_worker_runs_the_tasks_of_a_killed_one(
    service: TaskService, store: Store, raw_redis: redis.Redis, start_worker: Start
) -> None:
    worker = start_worker("doomed", "--concurrency", "1", LEASE_SECONDS="2")
    running = when_running(service, service.create(code(LONG, timeout=3)))
    held = service.create(code("def f():\n    return 1"))
    gone = service.create(code("def f():\n    return 2"))
    # The doomed worker may hold one message. The other is taken from its list, as if the worker held both.
    wait_until(lambda: _take(raw_redis, store, gone.id), 15, "the message on its list")
    worker.signal(signal.SIGKILL)
    wait_until(worker.left_nothing, 15, "the end of the sandbox's processes with their worker")
    start_worker("heir", CODE_CONCURRENCY="2")
    taken_back = service.get(running.id, wait_seconds=20)
    assert [(entry["worker"], entry["error"]["type"]) for entry in taken_back.attempts] == [
        ("doomed@test", "WorkerLostError")
    ]
    assert (taken_back.worker, taken_back.attempt) == ("heir@test", 2)
    for task, result in ((held, "1"), (gone, "2")):
        done = service.get(task.id, wait_seconds=20)
        assert (done.status, done.result_json, done.worker) == (Status.SUCCEEDED, result, "heir@test")


def _take(raw: redis.Redis, store: Store, task_id: str) -> bool:
    """Take the message of `task_id` from its list."""
    key = store.keys.queue("celeriac.code", 4)
    found = [entry for entry in raw.lrange(key, 0, -1) if json.loads(entry)["headers"]["id"] == task_id]
    return bool(found and raw.lrem(key, 1, found[0]))


def test_a_call_that_becomes_a_program_is_run_by_no_worker_for_calls(
    service: TaskService, start_worker: Start, target: Target
) -> None:
    """Its first message is on its way to a worker, or in one already, that has no sandbox and need not support one."""
    calls = start_worker("calls", "-Q", "celeriac.api")
    task = service.create({"name": "n", "api_url": f"{target.url}/ok", "task_type": "delayed", "delay_seconds": 1})
    of_a_call = ("api_url", "method", "headers", "params", "data", "expected_status", "retry_on")
    program = {"function_code": "def f(): return 1", "function_name": "f"}
    assert service.patch(task.id, {**dict.fromkeys(of_a_call), **program}).kind == "code"
    wait_until(lambda: service.get(task.id).status != "waiting", 10, "its due time")
    assert service.get(task.id).status == "queued"
    start_worker("programs", "-Q", "celeriac.code")
    task = service.get(task.id, wait_seconds=15)
    assert (task.status, task.worker, task.attempt) == ("succeeded", "programs@test", 1)
    assert "task started" not in calls.output


def test_sigterm_lets_the_running_attempt_finish_and_hands_back_the_rest(
    service: TaskService, start_worker: Start, target: Target
) -> None:
    worker = start_worker("leaving", "--concurrency", "1")
    running = when_running(service, service.create({"name": "n", "api_url": f"{target.url}/hang"}))
    waiting = service.create(code("def f():\n    return 1"))
    worker.signal(signal.SIGTERM)
    worker.wait_for("Warm shutdown")
    target.release.set()
    assert worker.wait(15) == 0
    done = service.get(running.id)
    assert (done.status, done.worker, done.attempts) == (Status.SUCCEEDED, "leaving@test", [])
    start_worker("next")
    done = service.get(waiting.id, wait_seconds=20)
    assert (done.status, done.worker) == (Status.SUCCEEDED, "next@test")


def test_a_pool_of_processes_works(service: TaskService, start_worker: Start, target: Target) -> None:
    worker = start_worker("forked", "--pool", "processes", "--concurrency", "2")
    assert run(service, code("def f():\n    return 1")).result_json == "1"
    assert run(service, {"name": "n", "api_url": target.url}).status is Status.SUCCEEDED
    task = when_running(service, service.create(code(LONG)))
    assert service.stop(task.id).status is Status.STOPPED
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0


def test_a_worker_without_a_pool_works(service: TaskService, start_worker: Start, target: Target) -> None:
    worker = start_worker("solo", "--pool", "solo")
    assert run(service, code("def f():\n    return 1")).result_json == "1"
    task = when_running(service, service.create(code(LONG)))
    assert service.stop(task.id).status is Status.STOPPED
    running = when_running(service, service.create({"name": "n", "api_url": f"{target.url}/hang"}))
    waiting = service.create({"name": "n", "api_url": target.url})
    worker.signal(signal.SIGTERM)
    worker.wait_for("Warm shutdown")
    target.release.set()
    assert worker.wait(15) == 0
    assert service.get(running.id).status is Status.SUCCEEDED
    assert service.get(waiting.id).status is Status.QUEUED


def _is_ended(service: TaskService, task: Task, worker_pid: int) -> bool:
    """Whether its attempt has ended, by a signal to each program of the worker's zygotes: they have no children."""
    programs = [worker_pid]
    while children := [child for pid in programs for child in child_pids(pid)]:
        programs = children
    kill_each(programs, signal.SIGTERM)
    return service.get(task.id).status is not Status.RUNNING


@needs_proc
@pytest.mark.parametrize(("times", "status"), [(2, Status.SUCCEEDED), (3, Status.FAILED)])
def test_a_program_that_is_killed_from_outside_runs_again_at_most_three_times(
    service: TaskService, start_worker: Start, times: int, status: Status
) -> None:
    worker = start_worker("one", "-Q", "celeriac.code", CODE_CONCURRENCY="1")
    task = service.create(code("import time\ndef f():\n    time.sleep(1.5)\n    return 1"))
    wait_until(lambda: service.get(task.id).status is Status.RUNNING, 10, "a start")
    for losses in range(times):
        wait_until(lambda: service.get(task.id).status is Status.RUNNING, 10, f"a start after {losses} losses")
        wait_until(lambda: _is_ended(service, task, worker.process.pid), 15, "the end of the attempt")
    wait_until(lambda: service.get(task.id).status.finished, 10, "the end of the task")
    found = service.get(task.id)
    assert (found.status, found.attempt) == (status, 3)
    assert [entry["error"]["type"] for entry in found.attempts] == ["WorkerLostError"] * 2
    if found.error is not None:
        assert found.error["type"] == "WorkerLostError"
        assert found.error["message"].endswith("killed from outside, by SIGTERM")
