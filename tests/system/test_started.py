"""A running `python start.py`: what it says, and who may not start beside it. All tests share one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import Started, free_port, needs_no_local_redis, needs_proc, run

pytestmark = needs_proc

CHILDREN = ["redis", "api", "worker for code tasks", "worker for api tasks", "beat"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One system for all tests that leave it as it is."""
    needs_no_local_redis()
    folder = tmp_path_factory.mktemp("system")
    started = Started(folder / "var")
    started.wait_for("Try it:\n.+")
    yield started
    started.clean_up()


def test_it_says_what_it_started(system: Started) -> None:
    for name in CHILDREN:
        os.kill(system.pid_of(name), 0)


def test_it_says_where_everything_is(system: Started) -> None:
    base = f"http://127.0.0.1:{system.port}"
    for line in (f"  API      {base}/api/tasks", f"  docs     {base}/docs", f"  console  {base}/"):
        assert line in system.output


def test_it_says_which_redis_it_uses_and_why(system: Started) -> None:
    assert system.wait_for(r"  Redis    unix://\S+/redis.sock\?db=0 \(\S+ \d+\.\d+, started by this command")


def test_it_says_which_sandbox_layers_hold(system: Started) -> None:
    assert system.wait_for(r"  sandbox  (\S.*)")[1].startswith("process")


def test_a_page_of_another_origin_can_change_nothing(system: Started) -> None:
    body = {"name": "n", "function_code": "def f():\n    return 1", "function_name": "f"}
    assert system.call("POST", "/api/tasks", body, Origin="http://evil.example")[0] == 403
    assert system.call("POST", "/api/tasks", body, Origin=f"http://127.0.0.1:{system.port}")[0] == 201


def test_the_embedded_folder_is_private(system: Started) -> None:
    folder = Path(system.wait_for(r"data in (.+)\)")[1])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "redis.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_it_prints_works(system: Started) -> None:
    line = system.wait_for(r"Try it:\n\s+(curl .+)")[1]
    answer = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120, check=True)
    assert '"result":7' in answer.stdout.replace(" ", "")


def test_second_start_on_the_same_folder_says_who_has_it(system: Started, tmp_path: Path) -> None:
    folder = system.wait_for(r"data in (.+)\)")[1]
    second = run("--port", str(free_port()), VAR_DIR=folder)
    assert second.returncode == 1
    assert second.stderr == (
        f"start.py: the folder {folder} is in use by process {system.process.pid}: "
        "stop that process, or set VAR_DIR to another folder\n"
    )
    assert "started" not in second.stdout


@pytest.mark.parametrize("role", ["all", "api"])
def test_start_on_a_port_in_use_says_so(role: str, system: Started, tmp_path: Path) -> None:
    second = run(role, "--port", str(system.port), VAR_DIR=str(tmp_path / "other"))
    assert second.returncode == 1
    assert second.stderr == (
        f"start.py: the API can't use port {system.port} on 127.0.0.1 (Address already in use): "
        "stop the process that uses it, or choose another port with --port\n"
    )
    assert not (tmp_path / "other").exists()
