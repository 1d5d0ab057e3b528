"""Tracing off, without its packages, in a pool of processes, and with a collector that does not answer."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.store.store import Store
from tests.lateness import Lateness
from tests.servers import ROOT, CeleryProcess, HttpTarget, wait_until
from tests.system import Started, needs_proc, run_module
from tests.tracing.collector import Collector
from tests.worker.conftest import composed

CODE = {"name": "sum", "function_name": "main", "function_code": "def main():\n    return 1"}

#: Each does what its process does from its start to an attempt.
API = """
from app.wsgi import web
answer = web.test_client().post("/api/tasks", json={code}, headers={{"traceparent": "00-{trace}-01"}})
assert answer.status_code == 201, answer.text
"""
WORKER = """
import json, redis
from app.domain.kinds import QUEUES
from app.store.keys import Keys
from tasks.runtime import Identity, process
import tasks.execute
client = redis.Redis.from_url("{url}", decode_responses=True)
runtime = process.get(Identity("off@test", tuple(QUEUES.values()), 2))
for name in client.scan_iter("celeriac:t:*"):
    print(runtime.runner.run(name.rpartition(":")[2], "off@test"))
process.close()
"""
BEAT = """
from celery_app import celery
from tasks.beat import StoreScheduler
scheduler = StoreScheduler(celery)
scheduler.tick()
scheduler.close()
"""
#: As if the packages were not installed; and whoever asks for them is noted.
WATCH = """
import sys

class Watch:
    importers = []

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != "opentelemetry":
            return None
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen"):
            frame = frame.f_back
        self.importers.append(frame.f_code.co_filename)
        raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Watch())
"""
RECORDS = """
import redis
with redis.Redis.from_url("{url}", decode_responses=True) as raw:
    for name in raw.scan_iter("celeriac:t:*"):
        assert not {{"tp", "ts"}} & raw.hgetall(name).keys(), name
"""
LOOK = """
print("imported", [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
print("asked by", {name for name in Watch.importers if "/site-packages/redis/" not in name} or "nobody")
"""


def run(program: str, url: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a program as one of our processes."""
    env = {**os.environ, "REDIS_URL": url, "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)


def test_off_nothing_of_ours_imports_the_packages_and_no_record_has_a_context(
    redis_url: str, raw_redis: redis.Redis, store: Store
) -> None:
    # redis-py imports them wherever it finds them, so they are hidden here.
    trace = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    # One after the other in one interpreter, as they import much of the same.
    records = RECORDS.format(url=redis_url)
    api, worker = API.format(code=CODE, trace=trace), WORKER.format(url=redis_url)
    done = run("\n".join([WATCH, api, records, worker, records, BEAT, records, LOOK]), redis_url)
    assert "imported []\nasked by nobody" in done.stdout, done.stdout + done.stderr
    (task_id,) = [str(name).rpartition(":")[2] for name in raw_redis.scan_iter("celeriac:t:????????-*")]
    task = store.tasks.get(task_id)
    assert task is not None
    assert task.status == "succeeded"


def test_without_the_packages_a_process_says_so_and_ends(tmp_path: Path, redis_url: str) -> None:
    hide = "import sys; sys.modules['opentelemetry'] = None\n"
    told = "TRACING is on, but a package that it needs is not installed (opentelemetry): install opentelemetry-sdk"
    settings = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "REDIS_URL": redis_url, "TRACING": "on"}
    programs = {"its_api": API.format(code=CODE, trace=""), "its_worker": WORKER.format(url=redis_url)}
    for name, program in programs.items():
        (tmp_path / f"{name}.py").write_text(hide + program)
        done = run_module(name, **settings)
        assert done.returncode != 0
        assert told in done.stderr


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector.serving() as collector:
        yield collector


def settings_for(url: str) -> dict[str, str]:
    return {"TRACING": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": url}


def test_each_child_of_a_pool_of_processes_sends_its_spans(
    tmp_path: Path, redis_url: str, store: Store, raw_redis: redis.Redis, collector: Collector
) -> None:
    words = ("worker", "-P", "processes", "-c", "2", "-n", "forked@test")
    settings = {**settings_for(collector.url), "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_SERVICE_NAME": "mine"}
    worker = CeleryProcess(tmp_path / "worker", redis_url, *words, **settings)
    try:
        worker.wait_for("worker ready")
        ids = [composed(store).tasks.create(CODE).id for _ in range(6)]
        spans = [collector.of_task(task_id)[0] for task_id in ids]
    finally:
        worker.kill()
    assert {(span.service, span.name) for span in spans} == {("mine", "attempt code")}


def test_a_worker_that_ends_sends_what_it_has_not_sent(
    tmp_path: Path, redis_url: str, store: Store, raw_redis: redis.Redis, collector: Collector
) -> None:
    settings = {**settings_for(collector.url), "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    worker = CeleryProcess(tmp_path / "worker", redis_url, "worker", "-n", "ends@test", **settings)
    try:
        worker.wait_for("worker ready")
        task_id = composed(store).tasks.create(CODE).id
        worker.wait_for("task succeeded")
        assert collector.requests == 0
        worker.signal(signal.SIGTERM)
        assert collector.of_task(task_id)
        worker.process.wait(30)
    finally:
        worker.kill()


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a collector that takes connections and never answers."""
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            over.wait(60)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HttpTarget(Handler).serving() as target:
        yield target.url
        over.set()


@needs_proc
def test_a_collector_that_hangs_harms_no_task_and_delays_no_end(
    tmp_path: Path, redis_url: str, raw_redis: redis.Redis, hanging: str
) -> None:
    settings = {**settings_for(hanging), "OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_BSP_MAX_QUEUE_SIZE": "8"}
    settings |= {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "REDIS_URL": redis_url, "SHUTDOWN_GRACE": "1"}
    api = Started(tmp_path / "api", "api", **settings)
    worker = CeleryProcess(tmp_path / "worker", redis_url, "worker", "-n", "hung@test", **settings_of(settings))
    try:
        api.wait_until_ready("/health/live")
        worker.wait_for("worker ready")
        for _ in range(20):  # several times what the queue holds
            status, task = api.call("POST", "/api/tasks", CODE, Prefer="wait=10")
            assert (status, task["status"]) == (201, "succeeded")
        assert worker.output.count("Queue full, dropping Span.") in (1, 2, 3)  # not a line for each span
        with Lateness() as late:
            worker.signal(signal.SIGTERM)
            api.process.send_signal(signal.SIGTERM)
            wait_until(lambda: worker.left_nothing() and api.process.poll() is not None, 60, "their end")
        assert late.taken_seconds < 10
    finally:
        worker.kill()
        api.clean_up()


def settings_of(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name != "REDIS_URL"}
