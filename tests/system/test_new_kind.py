"""A kind of task is added by the recipe of CONTRIBUTING.md alone, to a copy of this checkout, and works throughout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.conftest import chromium, chromium_program  # noqa: F401 - fixtures
from tests.known_types import copy_known_types
from tests.system import ROOT, Started, needs_no_local_redis, needs_proc

pytestmark = needs_proc

FIELDS = '''"""Echo tasks: give back their text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.checks import Fields
from app.domain.fields import IN_BODY, SECRET_IN_BODY
from app.domain.kinds.kind import KindSpec
from app.domain.status import Kind


class EchoFields(Fields):
    echo_text: Annotated[str | None, IN_BODY] = Field(None, max_length=100, description="The text.")
    echo_times: Annotated[int, IN_BODY] = Field(1, ge=1, le=9, description="How often.")
    echo_tokens: Annotated[dict[str, str], SECRET_IN_BODY] = Field({}, description="Secrets.")


ECHO = KindSpec(
    kind=Kind.ECHO,
    label="echo",
    noun="Echo",
    fields=EchoFields,
    marker="echo_text",
    queue="celeriac.echo",
    concurrency_setting="code_concurrency",
    executor="tasks.executors.echo:make_executor",
    result=str,
    result_description="The text.",
    example={"name": "echo", "echo_text": "hello"},
)
'''
EXECUTOR = '''"""Echo tasks."""

from __future__ import annotations

import json
from typing import Any

from app.domain.outcome import Outcome
from app.settings import Settings
from app.store.tasks import Attempt


class EchoExecutor:
    def start(self) -> None: ...

    def close(self) -> None: ...

    def facts(self) -> dict[str, Any]:
        return {}

    def new_cancel(self) -> Any:
        return NoCancel()

    def execute(self, attempt: Attempt, cancel: Any) -> Outcome:
        return Outcome(result_json=json.dumps(attempt.spec["echo_text"] * attempt.spec["echo_times"]).encode())


class NoCancel:
    def cancel(self) -> None: ...


def make_executor(settings: Settings) -> EchoExecutor:
    return EchoExecutor()
'''


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout with the recipe carried out: two lines and two files."""
    tree = tmp_path_factory.mktemp("echo") / "celeriac"
    for folder in ("app", "tasks", "sandbox"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("start.py", "celery_app.py"):
        shutil.copy(ROOT / name, tree)
    replace(tree / "app/domain/status.py", '    API = "api"', '    ECHO = "echo"\n    API = "api"')
    (tree / "app/domain/kinds/echo.py").write_text(FIELDS)
    table = tree / "app/domain/kinds/__init__.py"
    replace(table, "for row in (CODE, API)}", "for row in (CODE, API, ECHO)}")
    replace(
        table,
        "from app.domain.kinds.kind import",
        "from app.domain.kinds.echo import ECHO\nfrom app.domain.kinds.kind import",
    )
    (tree / "tasks/executors/echo.py").write_text(EXECUTOR)
    return tree


@pytest.fixture(scope="module")
def system(tree: Path) -> Iterator[Started]:
    needs_no_local_redis()
    started = Started(tree.parent / "var", root=tree)
    started.wait_until_ready()
    yield started
    started.clean_up()


def test_it_runs_through_api_queue_and_worker(system: Started) -> None:
    created = system.post(
        "/api/tasks", {"name": "e", "echo_text": "ha", "echo_times": 3, "echo_tokens": {"k": "secret"}}
    )
    done = system.get(f"/api/tasks/{created['id']}?wait=20")
    assert (done["kind"], done["status"], done["result"]) == ("echo", "succeeded", "hahaha")
    assert (done["echo_text"], done["echo_times"], done["echo_tokens"]) == ("ha", 3, {"k": "***"})
    assert done["worker"].startswith("echo@")
    assert [task["id"] for task in system.get("/api/tasks?kind=echo")["items"]] == [created["id"]]
    stats = system.get("/api/tasks/stats")
    assert (stats["by_kind"]["echo"], stats["queues"]["celeriac.echo"]) == (1, 0)


def test_its_fields_are_checked_as_any(system: Started) -> None:
    status, problem = system.call("POST", "/api/tasks", {"name": "e", "echo_text": "x" * 101, "method": "GET"})
    assert status == 422
    assert {error["field"]: error["message"] for error in problem["errors"]} == {
        "echo_text": "string should have at most 100 characters",
        "method": "is for API tasks only",
    }
    status, problem = system.call("POST", "/api/tasks", {"name": "e", "api_url": "http://x.test/", "echo_times": 2})
    assert [error["message"] for error in problem["errors"]] == ["is for echo tasks only"]


def test_a_schedule_of_it_fires(system: Started) -> None:
    schedule = system.post("/api/scheduled-tasks", {"name": "s", "echo_text": "tick", "every_seconds": 86_400})
    assert schedule["kind"] == "echo"
    task = system.post(f"/api/scheduled-tasks/{schedule['id']}/run", {})
    assert system.get(f"/api/tasks/{task['id']}?wait=20")["result"] == "tick"


def test_it_is_in_the_document_and_in_health(system: Started) -> None:
    schemas = system.get("/openapi.json")["components"]["schemas"]
    assert schemas["EchoTask"]["properties"]["result"]["type"] == "string"
    assert schemas["Task"]["discriminator"]["mapping"]["echo"] == "#/components/schemas/EchoTask"
    assert "echo_text" in schemas["EchoTaskSpec"]["properties"]
    assert system.get("/health")["workers"]["queues"]["celeriac.echo"] == 1


def test_the_console_shows_it(system: Started, chromium: Chromium) -> None:  # noqa: F811
    task = system.post("/api/tasks", {"name": "shown", "echo_text": "to be seen"})
    system.get(f"/api/tasks/{task['id']}?wait=20")
    chromium.look(1440, 900)
    chromium.open(f"http://127.0.0.1:{system.port}/#/tasks/{task['id']}")
    chromium.wait_for_text("shown", ".detail")
    chromium.click(".detail details[data-key=spec] summary")
    chromium.wait_for_text("to be seen", ".detail")
    chromium.wait_for("[...document.querySelectorAll('#filter-kind option')].some((one) => one.value === 'echo')")


def test_the_rest_of_the_suite_would_hold_it(tree: Path) -> None:
    """Types: the copy passes the strict checker, so the recipe leaves no gap that it could see."""
    shutil.copy(ROOT / "pyproject.toml", tree)
    shutil.copy(ROOT / "test_task_types.py", tree)
    shutil.copytree(ROOT / "benchmarks", tree / "benchmarks", ignore=shutil.ignore_patterns("__pycache__", "results"))
    copy_known_types(tree)  # mypy takes 3 seconds then, not 18
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=tree, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
