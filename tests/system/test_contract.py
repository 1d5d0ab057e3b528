"""The OpenAPI document against the running service: schemathesis, and a client that is generated from the document.

A long run by hand: `python -m pytest tests/system/test_contract.py --minutes 20`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.api.openapi import as_file
from app.api.operations import OPERATIONS
from tests.conftest import is_long_run
from tests.known_types import copy_known_types
from tests.system import ROOT, Started, needs_no_local_redis, needs_proc

pytestmark = needs_proc

#: A short run leaves the rest of CI its time. With a limit in seconds, each machine would see other cases.
#: Of the cases that the phase of coverage makes, it takes a sample of each operation (schemathesis_hooks.py).
SHORT_RUN = ("--max-examples", "6", "--seed", "7")
#: schemathesis does not expect that a wrong request is refused for its size.
CONFIGURATION = """\
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 429, 431, "5xx"]
"""
GENERATOR_CONFIGURATION = """\
post_hooks: []
content_type_overrides:
  application/x-ndjson: text/plain
  text/event-stream: text/plain
"""
PACKAGE = "celeriac_client"
#: Beside our own strict rules, with which mypy has read the library before. The client is more careful than its types.
TYPES_CONFIGURATION = f"""
[[tool.mypy.overrides]]
module = "{PACKAGE}.*"
warn_unreachable = false
disable_error_code = ["redundant-cast"]
"""
CODE: dict[str, Any] = {"function_code": "def main(a, b):\n    return a * b", "function_name": "main", "args": [6, 7]}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    needs_no_local_redis()
    started = Started(tmp_path_factory.mktemp("contract") / "var")
    started.wait_until_ready()
    yield started
    started.clean_up()


# --- a generated client ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the generated package, which can be imported."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(as_file())
    (folder / "config.yml").write_text(GENERATOR_CONFIGURATION)
    command = [
        *(str(Path(sys.executable).parent / "openapi-python-client"), "generate", "--path", "openapi.json"),
        *("--config", "config.yml", "--meta", "none", "--output-path", PACKAGE, "--fail-on-warning"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def call(name: str) -> Any:
    """A module of the generated client: one call of the API."""
    return importlib.import_module(f"{PACKAGE}.api.{name}")


def model(name: str) -> Any:
    return getattr(importlib.import_module(f"{PACKAGE}.models"), name)


@pytest.mark.usefixtures("client_package")
@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("tasks.create_task", "ApiTaskSpec | CodeTaskSpec | ScheduledApiTaskSpec | ScheduledCodeTaskSpec"),
        ("tasks.change_task", "TaskChange"),
        ("scheduled_tasks.create_scheduled_task", "ApiScheduleSpec | CodeScheduleSpec"),
        ("scheduled_tasks.put_scheduled_task", "ApiScheduleSpec | CodeScheduleSpec"),
        ("scheduled_tasks.change_scheduled_task", "ScheduleChange"),
        ("scheduled_tasks.preview_cron", "PreviewSpec"),
        ("tasks.create_tasks", "BatchSpec"),
        ("bulks.create_bulk", "BulkSpec"),
    ],
)
def test_every_body_of_the_client_is_typed(name: str, types: str) -> None:
    annotation = inspect.signature(call(name).sync_detailed).parameters["body"].annotation
    named = {each.__name__ for each in getattr(annotation, "__args__", (annotation,))}
    assert " | ".join(sorted(named)) == types


def _cells() -> list[Any]:
    soon = {"task_type": "delayed", "delay_seconds": 0.2}
    return [
        pytest.param(prefix + noun + "TaskSpec", {**fields, **when}, id=f"{noun} {when_name}")
        for noun, fields in (("Code", CODE), ("Api", {}))
        for when_name, prefix, when in (
            ("immediate", "", {}),
            ("delayed", "", soon),
            ("scheduled", "Scheduled", {"task_type": "scheduled", "every_seconds": 1}),
        )
    ]


@pytest.fixture
def client(system: Started, client_package: Path) -> Iterator[Any]:
    """The generated client of the running service."""
    assert client_package.exists()
    with importlib.import_module(PACKAGE).Client(base_url=f"http://127.0.0.1:{system.port}") as client:
        yield client


@pytest.mark.parametrize(("body", "fields"), _cells())
def test_the_client_runs_a_task_of_each_kind_and_type(
    system: Started, client: Any, body: str, fields: dict[str, Any]
) -> None:
    if not body.endswith("CodeTaskSpec"):
        fields = {**fields, "api_url": f"http://127.0.0.1:{system.port}/health/live"}
    spec = model(body).from_dict({"name": "cell", **json.loads(json.dumps(fields))})
    created = call("tasks.create_task").sync(client=client, body=spec, prefer="wait=20")
    task = _first_task(client, created) if body.startswith("Scheduled") else created
    assert str(task.status) == "succeeded"
    assert task.result == 42 if "Code" in body else task.result.status_code == 200


def _first_task(client: Any, schedule: Any) -> Any:
    """A task that the schedule created, and that has finished."""
    ran = call("scheduled_tasks.run_scheduled_task").sync(schedule.id, client=client)
    task = call("tasks.get_task").sync(ran.id, client=client, wait=20)
    call("scheduled_tasks.delete_scheduled_task").sync_detailed(schedule.id, client=client)
    assert str(task.scheduled_task_id) == str(schedule.id)
    return task


# --- schemathesis: after those, because it leaves thousands of tasks behind -----------------------------


def _delivery_id(system: Started) -> str:
    """The id of a delivery: no operation creates one."""
    body = {"name": "told", **CODE, "callback_url": f"http://127.0.0.1:{system.port}/"}
    status, task = system.call("POST", "/api/tasks", body, Prefer="wait=4")
    assert (status, task["status"]) == (201, "succeeded")
    _, page = system.call("GET", f"/api/deliveries?task_id={task['id']}")
    return str(page["items"][0]["id"])


def test_the_service_does_what_the_document_says(system: Started, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """No 5xx, no undocumented status or header, no answer outside its schema, nothing valid refused.

    The examples are left to tests/api/test_openapi.py.
    """
    minutes, is_long = pytestconfig.getoption("--minutes"), is_long_run(pytestconfig)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{system.port}/openapi.json"),
        *("--checks", "all", "--phases", "coverage,fuzzing,stateful"),
        *("--exclude-path-regex", "/events$"),  # endless; tests/system/test_event_streams.py
        *(("--max-examples", "200", "--max-time", str(round(minutes * 60))) if is_long else SHORT_RUN),
        *("--generation-database", "none"),  # or a case that failed once would be tried again
        *("--request-timeout", "60", "--suppress-health-check", "too_slow"),  # the machine may be busy
        "--no-color",
    ]
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    hooks = {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    # Where the other tests keep hypothesis' tables of all characters, which take seconds to make.
    hooks["HYPOTHESIS_STORAGE_DIRECTORY"] = str(ROOT / ".hypothesis")
    env = {**os.environ, **hooks, "DELIVERY_ID": _delivery_id(system), "COVERAGE_SAMPLE": "0" if is_long else "6"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=minutes * 180 + 900)
    told = "\n".join(line[:1_500] for line in done.stdout.splitlines()[:300])  # bodies may be huge
    assert done.returncode == 0, told + done.stderr[-2_000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases is not None, told
    assert int(cases[1]) == int(cases[2]) > len(OPERATIONS), told
    assert "Traceback" not in system.output


# --- the client's types: last, when mypy has most likely ended elsewhere -------------------------------


def test_the_client_passes_a_type_checker(client_package: Path) -> None:
    (client_package / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + TYPES_CONFIGURATION)
    copy_known_types(client_package)  # mypy takes 5 seconds then, not 10
    command = [sys.executable, "-m", "mypy", "-p", PACKAGE]
    done = subprocess.run(command, cwd=client_package, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
