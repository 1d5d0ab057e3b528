"""`celery -A celery_app status`, `inspect` and monitors, as people type them in the project's folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.domain.status import Status
from app.settings import EXIT_BAD_SETTINGS
from app.usecases import tasks
from app.usecases.tasks import TaskService
from tests import warm
from tests.servers import ROOT, wait_until
from tests.system import run_module
from tests.worker.conftest import Start

CELERY = Path(sys.executable).with_name("celery")
#: By itself a command waits for replies for one second, and to its end: it can't know how many workers there are.
PATIENTLY = ("--destination", "one@test", "--timeout", "30")


def celery(redis_url: str, *words: str, is_warm: bool = True) -> str:
    """What the command prints once the worker has answered; it must end with 0.

    is_warm: it runs in a fork of a process that has imported Celery, where that is possible.
    """
    first, *others = words
    command = ["-A", "celery_app", first, *PATIENTLY, *others]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"REDIS_URL": redis_url}
    if is_warm and warm.is_possible():
        done = warm.run(["celery", *command], ROOT, env, 120)
    else:
        done = subprocess.run([str(CELERY), *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def code(source: str, **more: Any) -> dict[str, Any]:
    return {"name": "n", "function_code": source, "function_name": "f", **more}


def test_status_and_inspect_answer(redis_url: str, service: TaskService, start_worker: Start) -> None:
    start_worker("one")
    assert "one@test: OK" in celery(redis_url, "status", is_warm=False)
    assert "pong" in celery(redis_url, "inspect", "ping")
    assert "celeriac.execute" in celery(redis_url, "inspect", "registered")
    assert "'name': 'celeriac.api'" in celery(redis_url, "inspect", "active_queues")
    assert "threads" in celery(redis_url, "inspect", "stats")


def test_inspect_active_tells_what_runs(redis_url: str, service: TaskService, start_worker: Start) -> None:
    start_worker("one")
    task = service.create(code("import time\ndef f():\n    time.sleep(120)", timeout=120))
    wait_until(lambda: service.get(task.id).status is Status.RUNNING, 10, "a start")
    assert f"'id': '{task.id}'" in celery(redis_url, "inspect", "active")
    service.stop(task.id)
    wait_until(lambda: "- empty -" in celery(redis_url, "inspect", "active"), 60, "nothing runs")


def test_without_a_worker_it_says_so_in_a_sentence(redis_url: str, service: TaskService) -> None:
    done = run_module("celery", "-A", "celery_app", "status", REDIS_URL=redis_url)
    assert done.returncode != 0
    assert "No nodes replied within time constraint" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_monitors_are_told_how_a_task_ended_and_nothing_of_it(
    service: TaskService, start: Start, start_worker: Start, monkeypatch: pytest.MonkeyPatch, pool: str
) -> None:
    monkeypatch.setattr(tasks, "STOP_PATIENCE_SECONDS", 15.0)  # else a late worker has no attempt to tell of
    monitor = start("events", "--dump", PYTHONUNBUFFERED="1")
    monitor.wait_for("starting capture")
    start_worker("one", "-E", f"--pool={pool}", "--concurrency=2")
    monitor.wait_for("one@test")  # it hears
    good = service.create(code("def f():\n    return 'SECRET'"), wait_seconds=10)
    bad = service.create(code("def f():\n    raise ValueError('SECRET')"), wait_seconds=10)
    once_more = {"max_retries": 1, "retry_delay": 0.1}
    again = service.create(code("def f():\n    raise KeyError('SECRET')", **once_more), wait_seconds=10)
    long = service.create(code("def f():\n    while True: pass"))
    wait_until(lambda: service.get(long.id).status is Status.RUNNING, 10, "a start")
    service.stop(long.id)
    expected = [(good.id, "succeeded"), (bad.id, "failed"), (again.id, "retried"), (again.id, "failed")]
    expected.append((long.id, "revoked"))

    def ended() -> list[tuple[str, str]]:
        pattern = r"task (succeeded|failed|retried|revoked): celeriac.execute\((\S+)\)"
        return [(task_id, end) for end, task_id in re.findall(pattern, monitor.output)]

    wait_until(lambda: len(ended()) == len(expected), 30, "the end of each attempt")
    assert sorted(ended()) == sorted(expected)
    assert "exception=ValueError" in monitor.output
    assert "SECRET" not in monitor.output
    assert "Traceback" not in monitor.output


@pytest.mark.parametrize(
    ("words", "line"),
    [(["worker", "-D", "-n", "one@test"], "worker ready"), (["beat", "--detach"], "beat: Starting...")],
)
def test_one_that_was_sent_to_the_background_logs_to_its_file(
    tmp_path: Path, redis_url: str, words: Sequence[str], line: str
) -> None:
    log, pid_file = tmp_path / "celery.log", tmp_path / "celery.pid"
    options = ("-f", str(log), "--pidfile", str(pid_file), "--loglevel=info")
    settings = {"REDIS_URL": redis_url, "API_CONCURRENCY": "4"}
    done = run_module("celery", "-A", "celery_app", *words, *options, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: log.exists() and line in log.read_text(), 60, "the line that it is ready")
    wait_until(pid_file.exists, 60, "the file with its number")
    os.kill(int(pid_file.read_text()), signal.SIGTERM)
    wait_until(lambda: not pid_file.exists(), 60, "its end")
    assert ("Warm shutdown" in log.read_text()) == (words[0] == "worker")


def test_a_file_for_the_log_that_can_not_be_opened_is_named(tmp_path: Path, start: Start) -> None:
    file = tmp_path / "none" / "celery.log"
    worker = start("worker", "-n", "one@test", "-f", str(file))
    assert worker.wait(60) == EXIT_BAD_SETTINGS
    assert worker.output == f"celeriac can't start: {file} can't be opened for the log: No such file or directory\n"
