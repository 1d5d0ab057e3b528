"""The worker and the beat of start.py run as by Celery's commands, without the packages of the others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.clock import system_clock
from app.store.store import Store
from tests.servers import ROOT, LoggedProcess, wait_until
from tests.system import run_module

ROLES = (sys.executable, "-m", "tasks.celery_roles")
#: In a module that Python imports at its start: writes down at its end what has been imported.
TELL_IMPORTED = """
import atexit, os, sys
from pathlib import Path
atexit.register(lambda: Path(os.environ["IMPORTED"]).write_text(" ".join(sys.modules)))
"""
#: Runs a role that no Redis is new enough for.
NEEDS_MORE = """
import runpy
from app.usecases import redis_checks
redis_checks.MIN_VERSION = (99, 1)
runpy.run_module("tasks.celery_roles", run_name="__main__", alter_sys=True)
"""
#: Runs a role as if the packages for traces were not installed.
HAS_NO_PACKAGES = """
import runpy, sys
sys.modules["opentelemetry"] = None
runpy.run_module("tasks.celery_roles", run_name="__main__", alter_sys=True)
"""


#: What has an application or a role of its own, so that each process imports it anew.
OWN = {"celery_app", "tasks.celery_roles", "tasks.execute"}


@pytest.fixture(scope="module")
def loaded_before_forks() -> set[str]:
    """The modules that start.py has imported when it forks."""
    code = "import sys, start; start.prepare_for_forks(); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {*told.stdout.split()}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["worker", "--kind", "code", "--name", "mine"], f"mine@{socket.gethostname()} ready"),
        (["beat"], "beat: Starting"),
    ],
    ids=["worker", "beat"],
)
def test_it_imports_only_what_start_py_imports_for_all(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    redis_url: str,
    store: Store,
    loaded_before_forks: set[str],
    words: list[str],
    line: str,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL_IMPORTED)
    imported = tmp_path / "imported"
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "REDIS_URL": redis_url, "IMPORTED": str(imported)}
    process = LoggedProcess([*ROLES, *words], tmp_path / "output.log", ROOT, {**env, "CODE_CONCURRENCY": "3"})
    request.addfinalizer(process.kill)
    process.wait_for(line)
    if words[0] == "worker":
        wait_until(lambda: store.liveness.workers(system_clock()), 30, "its first sign of life")
        [facts] = store.liveness.workers(system_clock())
        assert (facts["hostname"], facts["queues"], facts["concurrency"]) == (
            f"mine@{socket.gethostname()}",
            ["celeriac.code"],
            3,
        )
    process.signal(signal.SIGTERM)
    assert process.wait(30) == 0
    names = {*imported.read_text().split()}
    assert {"celery_app", "celery"} <= names
    assert {name for name in names if name.startswith(("celery.bin", "prompt_toolkit"))} == set()
    packages = ("app", "billiard", "celery", "celery_app", "kombu", "sandbox", "tasks")
    assert {name for name in names - loaded_before_forks if name.partition(".")[0] in packages} <= OWN


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_a_worker_that_cannot_be_set_up_says_why_in_a_sentence(tmp_path: Path, redis_url: str, role: str) -> None:
    (tmp_path / "needs_more.py").write_text(NEEDS_MORE)
    done = run_module("needs_more", role, REDIS_URL=redis_url, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("celeriac can't start: Redis is version ")
    assert last.endswith("; Celeriac needs 99.1 or newer")
    assert "Traceback" not in done.stderr


def test_bad_settings_are_one_sentence(redis_url: str) -> None:
    done = run_module("tasks.celery_roles", "worker", "--kind", "code", REDIS_URL=redis_url, CODE_CONCURRENCY="many")
    assert done.returncode == 2
    assert done.stderr == "celeriac can't start: CODE_CONCURRENCY must be a whole number\n"


def test_a_setting_that_shows_as_wrong_later_ends_the_worker_alike(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "has_no_packages.py").write_text(HAS_NO_PACKAGES)
    settings = {"REDIS_URL": redis_url, "TRACING": "on", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = run_module("has_no_packages", "worker", **settings)
    assert done.returncode == 2, done.stderr
    assert "opentelemetry" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_for_workers_is_not_for_beats(redis_url: str) -> None:
    done = run_module("tasks.celery_roles", "beat", "--kind", "code", REDIS_URL=redis_url)
    assert done.returncode == 2
    assert done.stderr.endswith("--kind and --name are for workers\n")
