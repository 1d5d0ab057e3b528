"""The worker and the beat of start.py run as by Celery's commands, without the packages of the others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.status import Status
from app.usecases.tasks import TaskService
from tests.servers import ROOT, LoggedProcess, wait_until

#: In a module that Python imports at its start: writes down at its end what it has imported.
TELL_IMPORTED = """
import atexit, os, sys
from pathlib import Path
atexit.register(lambda: Path(os.environ["IMPORTED"]).write_text(" ".join(sys.modules)))
"""
#: A task of each queue.
SPECS = (
    {"name": "n", "function_code": "def f():\n    return 1", "function_name": "f"},
    {"name": "n", "api_url": "http://127.0.0.1:9/"},
)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["worker", "--kind", "code", "--name", "mine"], f"mine@{socket.gethostname()} ready"),
        (["beat"], "beat: Starting"),
    ],
    ids=["worker", "beat"],
)
def test_it_imports_none_of_the_other_commands(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redis_url: str,
    service: TaskService,
    words: list[str],
    line: str,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL_IMPORTED)
    imported = tmp_path / "imported"
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "REDIS_URL": redis_url, "IMPORTED": str(imported)}
    command = [sys.executable, "-m", "tasks.celery_roles", *words]
    process = LoggedProcess(command, tmp_path / "output.log", ROOT, env)
    request.addfinalizer(process.kill)
    process.wait_for(line)
    if words[0] == "worker":
        code, call = (service.create(spec) for spec in SPECS)
        wait_until(lambda: service.get(code.id).status is Status.SUCCEEDED, 30, "its own queue's task")
        assert service.get(call.id).status is Status.QUEUED, "the other queue is not its own"
    process.signal(signal.SIGTERM)
    assert process.process.wait(30) == 0, process.output
    names = {*imported.read_text().split()}
    assert {"celery_app", "celery"} <= names
    assert {name for name in names if name.startswith(("celery.bin", "prompt_toolkit"))} == set()


def test_bad_settings_are_one_sentence(redis_url: str) -> None:
    env = {**os.environ, "REDIS_URL": redis_url, "CODE_CONCURRENCY": "many"}
    command = [sys.executable, "-m", "tasks.celery_roles", "worker", "--kind", "code"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "celeriac can't start: CODE_CONCURRENCY must be a whole number\n"
