"""Whatever becomes of pytest or of a test, nothing that tests have started stays."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ROOT, LoggedProcess, wait_until
from tests.system import start_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the environments of processes in /proc")

#: Starts a Redis, a process in a session of its own and start.py; `{end}` is what happens then.
TEST = """\
import os, signal, sys
from pathlib import Path

from app.store.store import Store
from tests.servers import HttpTarget, LoggedProcess
from tests.system import Started

FOLDER = Path({folder!r})


def test(own_server, tmp_path):
    sleeper = LoggedProcess([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "log", tmp_path, {{}})
    started = Started(tmp_path / "var", "beat", REDIS_URL=own_server.url)
    started.wait_for("beat: Starting")
    pids = [os.getpid(), sleeper.process.pid, started.process.pid, own_server.process.pid]
    (FOLDER / "new").write_text(" ".join(str(pid) for pid in pids))
    (FOLDER / "new").rename(FOLDER / "pids")
    {end}


def test_after_it(store):
    assert store.liveness.last_beat() is None
"""


@pytest.fixture(autouse=True)
def _own_tmpdir(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A killed process removes no folders; they go with this one."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield


def start(folder: Path, end: str, *options: str) -> LoggedProcess:
    """A run of pytest with the test above."""
    test = folder / "test_leaving.py"
    test.write_text(TEST.format(folder=str(folder), end=end))
    plugins = [word for name in ("no:cacheprovider", "xdist.plugin", "tests.conftest") for word in ("-p", name)]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "-c", str(ROOT / "pyproject.toml"), *options, str(test)]
    env = {"PYTHONPATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # each of them takes a while to import
    return LoggedProcess(command, folder / "output", ROOT, env)


def pids_in(folder: Path, run: LoggedProcess) -> list[tuple[int, str]]:
    """The pids that the test has written, each with its time of start: the process of pytest first."""
    path = folder / "pids"
    wait_until(lambda: path.exists() or run.process.poll() is not None, 60, "the start of all processes")
    assert path.exists(), run.output
    return [(int(word), start_time(int(word))) for word in path.read_text().split()]


def all_ended(pids: list[tuple[int, str]]) -> bool:
    return not any(started and start_time(pid) == started for pid, started in pids)


@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_pytest_that_is_killed_leaves_no_process(options: list[str], tmp_path: Path) -> None:
    run = start(tmp_path, "signal.pause()", *options)
    pids = pids_in(tmp_path, run)
    assert all(started for _, started in pids)
    run.signal(signal.SIGKILL)
    run.process.wait(10)
    wait_until(lambda: all_ended(pids), 20, "the end of all processes")


def test_worker_of_xdist_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    run = start(tmp_path, "signal.pause()", "-n", "1")
    pids = pids_in(tmp_path, run)
    os.kill(pids[0][0], signal.SIGKILL)
    assert run.process.wait(60) == pytest.ExitCode.TESTS_FAILED, run.output
    wait_until(lambda: all_ended(pids), 20, "the end of all processes")
    assert "1 failed, 1 passed" in run.output


def test_failed_test_leaves_no_process_and_no_second_failure(tmp_path: Path) -> None:
    run = start(tmp_path, "assert False")
    pids = pids_in(tmp_path, run)
    assert run.process.wait(60) == pytest.ExitCode.TESTS_FAILED, run.output
    assert all_ended(pids[1:]), "already when pytest ends"
    assert "1 failed, 1 passed" in run.output
    assert "rror ignored in" not in run.output
    assert "Warning" not in run.output
    assert run.left_nothing()
