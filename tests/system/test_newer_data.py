"""Data that a newer version wrote: every process says so, ends, and leaves it alone."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain.form import FORM
from app.launch.processes import EXIT_NEWER_DATA
from tests.servers import ROOT, CeleryProcess, ModuleProcess, RedisServer, wait_until
from tests.system import free_port

KEY = "celeriac:form"
WORDS = f"the data in Redis has form {FORM + 1}, and this version of Celeriac"
CELERY = ("celery", "-q", "-A", "celery_app")
COMMANDS = {
    "all": ("start",),
    "api": ("start", "api"),
    "worker": ("start", "worker"),
    "beat": ("start", "beat"),
    "keys": ("start", "keys", "list"),
    "celery worker": (*CELERY, "worker"),
    "celery beat": (*CELERY, "beat"),
}


@pytest.fixture
def raw(own_server: RedisServer) -> Iterator[redis.Redis]:
    """A plain client of the test's own Redis."""
    with redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        yield client


def test_nothing_starts_on_newer_data(own_server: RedisServer, raw: redis.Redis, tmp_path: Path) -> None:
    raw.set(KEY, FORM + 1)
    env = {"REDIS_URL": own_server.url, "VAR_DIR": str(tmp_path)}
    running = {
        name: ModuleProcess(words, tmp_path / f"{name}.log", ROOT, {**env, "PORT": str(free_port())})
        for name, words in COMMANDS.items()
    }
    try:
        for name, process in running.items():
            assert (name, process.process.wait(120)) == (name, EXIT_NEWER_DATA), process.output
            assert WORDS in process.output, process.output
            assert "Traceback" not in process.output
    finally:
        for process in running.values():
            process.kill()
    assert raw.get(KEY) == str(FORM + 1)
    assert [name for name in raw.scan_iter() if not name.startswith("celeriac:_kombu")] == [KEY]


def test_what_runs_ends_when_newer_data_turns_up(own_server: RedisServer, raw: redis.Redis, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"REDIS_URL": own_server.url, "VAR_DIR": str(tmp_path), "PORT": str(port), "API_PROCESSES": "1"}
    api = ModuleProcess(COMMANDS["api"], tmp_path / "api.log", ROOT, env)
    service = ModuleProcess(COMMANDS["all"], tmp_path / "all.log", ROOT, {**env, "PORT": str(free_port())})
    try:
        service.wait_for("Try it:")
        wait_until(lambda: health(url)["data"] == {"status": "ok", "form": FORM}, 60, "a healthy API")
        service.signal(signal.SIGSTOP)  # with the first of them that ends, it would end the others
        raw.set(KEY, FORM + 1)
        wait_until(lambda: service.output.count("CRITICAL") >= 4, 60, "the words of API, workers and beat")
        service.signal(signal.SIGCONT)
        wait_until(lambda: service.process.poll() is not None, 60, "the end of start.py")
        assert service.process.returncode == EXIT_NEWER_DATA
        assert WORDS in service.output.splitlines()[-1]
        assert "restarted" not in service.output
        # An API alone goes on saying so: whoever watches it finds out.
        report = health(url)
        assert report["status"] == "degraded"
        assert report["data"]["detail"].startswith(WORDS)
        problem = get(f"{url}/api/tasks")
        assert (problem["status"], problem["detail"]) == (503, report["data"]["detail"])
        assert raw.get(KEY) == str(FORM + 1)
    finally:
        api.kill()
        service.kill()


@pytest.mark.parametrize(("role", "line"), [("worker", "worker ready"), ("beat", "beat: Starting")])
def test_a_process_alone_ends_with_the_status_that_says_why(
    own_server: RedisServer, raw: redis.Redis, tmp_path: Path, role: str, line: str
) -> None:
    """An init system that looks at the status, as our units do, starts it no more."""
    process = CeleryProcess(tmp_path, own_server.url, role, "--loglevel=info")
    try:
        process.wait_for(line)
        raw.set(KEY, FORM + 1)
        wait_until(lambda: process.process.poll() is not None, 30, "its end")
        assert process.process.poll() == EXIT_NEWER_DATA, process.output
        assert "Traceback" not in process.output
    finally:
        process.kill()


def health(url: str) -> Any:
    """The body of `/health`; empty parts while nothing answers."""
    try:
        return get(f"{url}/health")
    except OSError:
        return {"data": None}


def get(url: str) -> Any:
    """The body of a response, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)
