"""The wheel: it is built, installed in an environment of its own, and its command `celeriac` runs the service.

The environment borrows the packages that the tests run with, which takes a second instead of a minute. With
WHEEL_ALONE=1, pip installs what the wheel asks for, and nothing else.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import start
from app.settings import data_folder
from app.version import VERSION
from tests.system import ROOT, Started, needs_no_local_redis, needs_proc, wait_until

SOURCES = ("app", "tasks", "sandbox", "celery_app.py", "start.py", "pyproject.toml", "requirements.in")
SOURCES += ("requirements-tracing.in", "LICENSE")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")
CODE = {"function_code": "def main():\n    print('here')\n    return 6 * 7", "function_name": "main"}
#: Runs the program that is its first argument with each other one and --help, and prints what each said.
EXPLAIN = """
import contextlib, io, json, runpy, sys
program, *commands = sys.argv[1:]
told = {}
for command in commands:
    sys.argv = [program, command, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            assert not end.code, (command, end.code)
    told[command] = output.getvalue()
print(json.dumps(told))
"""
ALONE = os.environ.get("WHEEL_ALONE") == "1"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources: setuptools writes into their folder."""
    if importlib.util.find_spec("pip") is None:
        if os.environ.get("CI"):
            pytest.fail("pip is not installed, and a wheel can't be built without it")
        pytest.skip("pip is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=IGNORED)
        else:
            shutil.copy(source, folder / name)
    command = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder / "dist"), str(folder))
    run(*command, PIP_NO_COMPILE="0")  # sic: do not compile setuptools, which is used once
    (made,) = (folder / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def celeriac(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the installed command."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False, symlinks=True)
    python = str(folder / "bin" / "python")
    more = () if ALONE else ("--no-deps",)
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", *more, str(wheel))
    if not ALONE:
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return str(folder / "bin" / "celeriac")


def run(*command: str, **settings: str) -> str:
    """The output of a command, which must succeed."""
    done = subprocess.run(
        command, cwd="/", env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- what is in it -----------------------------------------------------------------------------------


def test_wheel_has_every_file_of_the_service_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if ".dist-info/" not in name}
    folders = (ROOT / name for name in ("app", "tasks", "sandbox"))
    files = {str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    wanted = {name for name in files if "__pycache__" not in name and not name.endswith(".md")}
    assert packed == wanted | {"celery_app.py", "start.py"}


@pytest.mark.parametrize(("file", "marker"), [("requirements.in", ""), ("requirements-tracing.in", "tracing")])
def test_wheel_asks_for_what_the_lists_say(wheel: Path, file: str, marker: str) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith("/METADATA")]
        lines = re.findall(r"^Requires-Dist: ([\w.-]+)(.*)$", opened.read(name).decode(), re.MULTILINE)
    asked = [name for name, more in lines if ("extra ==" in more) is bool(marker) and marker in more]
    listed = re.findall(r"^([\w.-]+)", (ROOT / file).read_text(), re.MULTILINE)
    assert asked == listed


def test_every_package_that_is_imported_is_asked_for() -> None:
    lists = "".join((ROOT / name).read_text() for name in ("requirements.in", "requirements-tracing.in"))
    asked = {_folded(name) for name in re.findall(r"^([\w.-]+)", lists, re.MULTILINE)}
    makers = metadata.packages_distributions()
    missing = {
        module
        for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "tasks").rglob("*.py"), *(ROOT / "sandbox").rglob("*.py")]
        for module in _imported(path)
        if module in makers and not asked & {_folded(name) for name in makers[module]}
    }
    assert missing == set()


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(path: Path) -> Iterator[str]:
    """The first names of all modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


# --- what it does ------------------------------------------------------------------------------------


def test_command_tells_its_version(celeriac: str) -> None:
    assert run(celeriac, "--version") == f"celeriac {VERSION}\n"


def test_help_names_the_command_as_users_type_it(celeriac: str) -> None:
    told = run(celeriac, "--help")
    assert told.startswith("usage: celeriac [all|api|worker|beat]")
    assert "start.py" not in told


@pytest.fixture(scope="module")
def explained(celeriac: str) -> dict[str, str]:
    """What each command says to --help, by command: all of one interpreter, as they import much of the same."""
    told: dict[str, str] = json.loads(
        run(str(Path(celeriac).with_name("python")), "-c", EXPLAIN, celeriac, *start.COMMANDS)
    )
    return told


@pytest.mark.parametrize("command", start.COMMANDS)
def test_each_command_explains_itself(command: str, explained: dict[str, str]) -> None:
    told = explained[command]
    assert told.startswith(f"usage: celeriac {command}")
    assert "start.py" not in told


def test_error_begins_with_the_name_of_the_command(celeriac: str) -> None:
    done = subprocess.run(
        [celeriac], env={**os.environ, "PORT": "x"}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("celeriac: PORT must be")


@needs_proc
def test_command_runs_a_task_of_each_kind_and_type(celeriac: str, tmp_path: Path) -> None:
    needs_no_local_redis()
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    started = Started(None, program=[celeriac], **home)
    try:
        started.wait_for("Try it:", seconds=120)
        call = {"api_url": f"http://127.0.0.1:{started.port}/health/live"}
        for body in (CODE, call):
            for timing in ({}, {"task_type": "delayed", "delay_seconds": 0.5}):
                assert _finished(started, {"name": "t", **timing, **body})["status"] == "succeeded"
            schedule = started.post("/api/scheduled-tasks", {"name": "s", "cron_expression": "* * * * * *", **body})
            assert _fired(started, schedule["id"])["status"] == "succeeded"
        assert (tmp_path / "state" / "celeriac" / "appendonlydir").is_dir()
        keys = run(celeriac, "keys", "list", **home)
        assert keys == ""
        assert started.end(signal.SIGTERM, seconds=30) == 0
    finally:
        started.clean_up()


def _finished(started: Started, body: dict[str, Any]) -> Any:
    return _ended(started, started.post("/api/tasks", body)["id"])


def _fired(started: Started, schedule_id: str) -> Any:
    path = f"/api/scheduled-tasks/{schedule_id}/tasks?limit=1"
    wait_until(lambda: started.get(path)["items"], 60, "a firing")
    return _ended(started, started.get(path)["items"][0]["id"])


def _ended(started: Started, task_id: str) -> Any:
    """The task, once it has finished."""
    path = f"/api/tasks/{task_id}?wait=3"
    wait_until(lambda: started.get(path)["finished_at"], 60, "the end of a task")
    return started.get(path)


# --- where its data is -------------------------------------------------------------------------------


def test_data_of_an_installed_command_is_in_the_folder_of_its_user() -> None:
    packages = Path("/usr/lib/python3/dist-packages")
    assert data_folder(packages, {"XDG_STATE_HOME": "/state"}) == Path("/state/celeriac")
    assert data_folder(packages, {"XDG_STATE_HOME": "not/absolute"}) == Path("~/.local/state/celeriac").expanduser()


def test_data_of_a_clone_is_in_its_folder() -> None:
    assert data_folder(Path("/srv/celeriac"), {"XDG_STATE_HOME": "/state"}) == Path("/srv/celeriac/var")
