"""How the tests share the machine when they run in several processes (pytest-xdist).

A test waits now and then, so there are more processes than cores. Each test goes to the process that is free next,
long ones first; then every second process takes tests that compute, while the others take those that mostly wait. The
tests of a file in TOGETHER stay in one process, because they share what is slow to start. In a new checkout, each
process rewrites the assertions of some modules, and finds those of the others in the cache.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import random
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

PROCESSES_PER_CORE = 4
MOST_PROCESSES = 8

TOGETHER = (
    "tests/system/test_contract.py",
    "tests/browser/",
    "tests/system/test_prometheus.py",
    "tests/system/test_public_cases.py",
    "tests/deploy/test_compose.py",
    "tests/deploy/test_helm.py",
    "tests/deploy/test_image.py",
    "tests/deploy/test_proxy.py",
    "tests/deploy/test_systemd.py",
    "tests/system/test_wheel.py",
    "tests/system/test_apply.py",
    "tests/system/test_backup_drill.py",
    "tests/system/test_new_kind.py",
    "tests/upgrade/test_dumps.py",
    "tests/system/test_started.py",
    "tests/worker/test_celery_roles.py::test_it_imports_only",
    "tests/worker/test_redis_tls.py",
    "tests/api/test_error_shape.py",
    "tests/tracing/test_tracing.py",
    "tests/test_architecture.py",
    "tests/box/test_layers.py::TestOneLayerOff",
    "tests/box/test_object_graph.py::test_the_walk_finds",
)
"""Files, folders of files, or classes, whose tests share what takes long, such as a running system.

None of these tests can be `alone`.
"""

WAITING = (
    "tests/worker/test_reconnect.py",
    "tests/worker/test_sentinel.py",
    "tests/worker/test_required_layers.py",
    "tests/upgrade/test_migration.py",
    "tests/tracing/test_processes.py",
    "tests/test_warm.py",
    "tests/worker/test_worker_full.py",
    "tests/worker/test_beat_kills.py",
    "tests/worker/test_drain.py",
    "tests/worker/test_bulk_kills.py",
    "tests/worker/test_places.py",
    "tests/worker/test_beat_redis_away.py",
    "tests/worker/test_execute.py",
    "tests/worker/test_courier.py",
    "tests/worker/test_open_files.py",
    "tests/worker/test_next_task.py",
    "tests/worker/test_service_watch.py",
    "tests/worker/test_live_output.py",
    "tests/worker/test_leases.py",
    "tests/system/",
    "tests/worker/",
)
"""Starts of the paths of tests that mostly wait for processes which they have started; first those that wait longest,
or a process would be left with one of them at the end."""

FIRST = (
    "tests/system/chaos/test_chaos.py",
    "tests/box/test_object_graph.py",
    "tests/test_static.py",  # before test_new_kind.py, which uses what mypy has found
    *TOGETHER,
)
LONG = (
    *FIRST,
    *WAITING,
    "tests/mutants/",
    "tests/test_leftovers.py",
    "tests/test_parallel.py",
    "tests/test_again.py",
    "tests/domain/test_cron_",
    "tests/store/",
    "tests/http/",
)
"""Starts of the paths of files, or folders, with long tests: they run first, in this order.

Otherwise, the tests that run `alone`, which come last, would wait for them, and all others with those.
"""

LAST_TESTS = 50  # so many, among them those that run `alone`, are left until all others have begun


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Several processes for the whole suite; this process for what the command line names, and with `-s`."""
    is_whole_suite = config.args_source is not pytest.Config.ArgsSource.ARGS
    if not is_whole_suite or config.getoption("capture") == "no":
        return 0
    return min(PROCESSES_PER_CORE * len(os.sched_getaffinity(0)), MOST_PROCESSES)


def is_distributing(config: pytest.Config) -> bool:
    """Whether this process distributes the tests to others, and runs none itself."""
    return bool(config.getoption("tx", None)) and not hasattr(config, "workerinput")


def configure(config: pytest.Config) -> None:
    """Register what the process that distributes the tests, or one of several that run them, needs."""
    if is_distributing(config):
        config.pluginmanager.register(Distribution())
    elif hasattr(config, "workerinput"):
        config.pluginmanager.register(Turns(Path(config.workerinput["turns"])))
        place, processes = int(config.workerinput["workerid"].removeprefix("gw")), config.workerinput["workercount"]
        config.pluginmanager.register(SharedRewriting(place / processes))


class Distribution:
    """In the process that distributes the tests: how it does so, and the folder with the locks of `Turns`."""

    def __init__(self) -> None:
        self._turns = tempfile.TemporaryDirectory(prefix="celeriac-tests-")
        # All processes must find the same tests in the same order, also where those are made of a set.
        os.environ["PYTHONHASHSEED"] = str(random.randrange(2**32))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or none would find what another has rewritten

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process, before it starts, where the locks are."""
        node.workerinput["turns"] = self._turns.name

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        """Take this scheduler, whatever the option --dist says."""
        return Scheduler(config, log)

    def pytest_unconfigure(self) -> None:
        """Remove the locks."""
        self._turns.cleanup()


class Scheduler(LoadScopeScheduling):
    """Sends the tests of an entry of TOGETHER at once, and single tests of the others, in the order of collection.

    But every second process leaves those of WAITING to the others while there are enough tests that compute: while all
    waited, the processors would be idle, and later there would be too much for them to do.
    """

    def _assign_work_unit(self, node: Any) -> None:
        """Send the first tests in the queue, or the first that compute."""
        if int(node.workerinput["workerid"].removeprefix("gw")) % 2:
            passed_over = len(list(takewhile(_is_waiting, self.workqueue)))
            if len(self.workqueue) - passed_over > LAST_TESTS:
                self.workqueue.move_to_end(next(islice(self.workqueue, passed_over, None)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in TOGETHER if nodeid.startswith(start)), nodeid)

    def _reschedule(self, node: Any) -> None:
        """Send more tests, two at least: a process begins one when it knows the next, or that there is none."""
        work = self.assigned_work[node]
        for scope in [scope for scope, tests in work.items() if all(tests.values())]:
            del work[scope]  # or thousands would be counted after each test
        super()._reschedule(node)
        if self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)

    def remove_node(self, node: Any) -> str | None:
        """The test during which a process died, which is not run again: others run the rest of its tests."""
        work = self.assigned_work.pop(node)
        left = [(scope, test) for scope, tests in work.items() for test, is_done in tests.items() if not is_done]
        if not left:
            return None
        scope, deadly = left[0]
        work[scope][deadly] = True
        self.workqueue.update({scope: tests for scope, tests in work.items() if not all(tests.values())})
        for other in self.assigned_work:
            if other in self.registered_collections:  # it knows its tests
                self._reschedule(other)
        return deadly


class Turns:
    """In a process that runs tests, the long ones first: one marked `alone` runs while no other process runs a test.

    Every test holds a lock on the file `turn`, shared or alone. While it waits for that lock, it holds the one on
    `queue`, so that nobody overtakes a test that waits until all others have ended.
    """

    def __init__(self, folder: Path) -> None:
        self._queue, self._turn = folder / "queue", folder / "turn"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Long tests first; last those that run alone, when no long one is left to wait for."""
        items.sort(key=_rank)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold the lock from before the test's fixtures until after them."""
        kind = fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH
        with self._queue.open("w") as queue, self._turn.open("w") as turn:
            with _locked(queue.fileno(), fcntl.LOCK_EX):
                fcntl.flock(turn, kind)
            try:
                return (yield)
            finally:
                fcntl.flock(turn, fcntl.LOCK_UN)  # not by closing it: a child of the test may have inherited it


class SharedRewriting:
    """In a process that runs tests: imports their modules, as the collection would, but starts elsewhere in the list.

    pytest rewrites the assertions of a module that is imported for the first time, and keeps the result on disk. That
    takes longer than all else in the collection. As each process begins at another module, it has rewritten its share
    when it comes to the modules that another began with.
    """

    def __init__(self, start: float) -> None:
        """start: where in the list of modules this process begins, as a fraction of its length."""
        self._start = start

    @pytest.hookimpl
    def pytest_collection(self, session: pytest.Session) -> None:
        """Import the modules below the folders that the command line, or the configuration, names."""
        root = session.config.rootpath
        paths = sorted({path for named in session.config.args for path in (root / named).rglob("test_*.py")})
        first = int(len(paths) * self._start)
        for path in paths[first:] + paths[:first]:
            # The collection imports again what failed, and tells why.
            with suppress(Exception, pytest.skip.Exception):
                importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


@cache
def _is_waiting(scope: str) -> bool:
    return scope.startswith(WAITING) and not scope.startswith(FIRST)


def _rank(item: pytest.Item) -> int:
    """The place in LONG; items of the same rank keep their order."""
    if item.get_closest_marker("alone"):
        return len(LONG) + 1
    return next((place for place, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))


@contextmanager
def _locked(file: int, kind: int) -> Iterator[None]:
    fcntl.flock(file, kind)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
