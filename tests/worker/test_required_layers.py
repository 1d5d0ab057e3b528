"""Workers on a machine that lacks layers of the sandbox: code tasks are refused and wait, API tasks run.

The workers are real, and so is the lack: a filter refuses them namespaces and Landlock.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.clock import system_clock
from app.domain.status import Status
from app.launch.processes import EXIT_USELESS_HERE
from app.settings import SettingsError, read_settings
from app.store.store import Store
from app.usecases.tasks import TaskService
from tests.servers import CeleryProcess, wait_until
from tests.worker.conftest import Start, composed

CODE = {"name": "n", "function_code": "def f():\n    return 1", "function_name": "f"}
CALL = {"name": "n", "api_url": "http://127.0.0.1:9/"}  # nobody answers: it ends all the same
#: The filter is there before any other code of the worker runs, and all that it starts has it too.
BARE_APP = """
from tests.box import container

container.enter(as_root=True, has_landlock=False)

from celery_app import celery
"""
REFUSAL = (
    "code tasks are refused here, since the sandbox lacks "
    "landlock (off: needs Linux 5.13 or newer, with Landlock switched on) or root (off: needs namespaces): "
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")
StartBare = Callable[..., CeleryProcess]


@pytest.fixture
def start_bare(tmp_path: Path, redis_url: str) -> Iterator[StartBare]:
    """Starts a worker that gets neither namespaces nor Landlock."""
    started: list[CeleryProcess] = []

    def start_bare(*words: str, **settings: str) -> CeleryProcess:
        words = ("worker", "-n", "bare@test", "--loglevel=info", *words)
        (tmp_path / "bare_app.py").write_text(BARE_APP)
        worker = CeleryProcess(tmp_path, redis_url, *words, app="bare_app", **settings)
        started.append(worker)
        return worker

    yield start_bare
    for worker in started:
        worker.kill()


def _status(service: TaskService, task_id: str) -> Status:
    return service.get(task_id).status


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_code_tasks_wait_for_a_worker_that_has_the_layers(
    store: Store, service: TaskService, start_bare: StartBare, start_worker: Start, pool: str
) -> None:
    bare = start_bare(f"--pool={pool}", "--concurrency=2")
    bare.wait_for("worker ready")
    code, call = service.create(CODE).id, service.create(CALL).id
    wait_until(lambda: _status(service, call).finished, 15, "the end of the API task")
    wait_until(lambda: store.liveness.workers(system_clock()), 10, "a sign of life")
    report = composed(store).health.report()
    assert report["workers"]["detail"] == "no worker serves celeriac.code"
    assert report["sandbox"]["detail"].startswith(f"no worker runs code tasks; {REFUSAL}")
    assert REFUSAL in bare.output
    assert (_status(service, code), service.get(code).attempt) == (Status.QUEUED, 0)
    start_worker("able", "-Q", "celeriac.code")
    wait_until(lambda: _status(service, code).finished, 15, "the end of the code task")
    assert service.get(code).worker == "able@test"
    health = composed(store).health
    wait_until(lambda: health.report()["sandbox"]["status"] == "ok", 10, "the able worker's sign of life")
    assert "Traceback" not in bare.output


def test_a_worker_for_code_tasks_alone_ends_in_a_sentence(start_bare: StartBare) -> None:
    bare = start_bare("-Q", "celeriac.code")
    assert bare.wait(20) == EXIT_USELESS_HERE
    assert bare.output.count(REFUSAL) == 1
    assert "none: run programs without them" in bare.output
    assert "Traceback" not in bare.output


@pytest.mark.parametrize("required", ["none", "seccomp,rlimits"])
def test_it_runs_them_where_the_setting_says_so(service: TaskService, start_bare: StartBare, required: str) -> None:
    start_bare("-Q", "celeriac.code", SANDBOX_REQUIRE=required)
    code = service.create(CODE).id
    wait_until(lambda: _status(service, code).finished, 20, "the end of the code task")
    assert _status(service, code) is Status.SUCCEEDED


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("", ("seccomp", "landlock|root")),
        ("none", ()),
        ("seccomp, Landlock|root,user", ("seccomp", "landlock|root", "user")),
    ],
)
def test_the_setting_is_a_list_of_layers_and_alternatives(text: str, required: tuple[str, ...]) -> None:
    assert read_settings({"SANDBOX_REQUIRE": text}).sandbox_require == required


@pytest.mark.parametrize("text", ["nothing", "none,seccomp", "seccomp|", "landlock|roof"])
def test_a_layer_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SANDBOX_REQUIRE must be one of process, user"):
        read_settings({"SANDBOX_REQUIRE": text})
