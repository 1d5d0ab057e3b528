"""Our workers as `start.py` runs them, and the queue that they empty."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.domain.kinds import KINDS
from app.domain.status import Kind, Status
from app.settings import read_settings
from app.store.store import Store
from benchmarks.made import NO_OP, add_tasks, count_in, store_at, wait_for
from benchmarks.processes import running
from benchmarks.service import NOTHING

READY_SECONDS = 60
CELERY_ROLES = ("tasks.celery_roles",)


class OurQueue:
    """The tasks of a store that this object has added."""

    def __init__(self, store: Store, fields: Mapping[str, Any] = NO_OP) -> None:
        self._store = store
        self._fields = fields
        self._all = count_in(store, Status.SUCCEEDED)

    def add(self, count: int) -> None:
        """Queue so many tasks."""
        add_tasks(self._store, count, self._fields)
        self._all += count

    def left(self) -> int:
        """How many have not succeeded yet."""
        return self._all - count_in(self._store, Status.SUCCEEDED)


@contextlib.contextmanager
def worker(
    redis_url: str,
    path: Path,
    kind: Kind = Kind.CODE,
    *,
    name: str = "one",
    concurrency: int | None = None,
    module: Sequence[str] = CELERY_ROLES,
    settings: Mapping[str, str] = NOTHING,
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker for one kind, with the words of `start.py`; `module` may name another that becomes one."""
    row = KINDS[kind]
    threads = row.concurrency(read_settings({}, var_dir=path)) if concurrency is None else concurrency
    env = {"REDIS_URL": redis_url, "VAR_DIR": str(path / "var"), "LOG_LEVEL": "WARNING"} | dict(settings)
    env[row.concurrency_setting.upper()] = str(threads)
    with running(["-m", *module, "worker", "--kind", kind, "--name", name], env, path / f"{name}.log") as process:
        yield process


@contextlib.contextmanager
def workers(redis_url: str, path: Path, count: int) -> Iterator[list[int]]:
    """So many code workers; their processes."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(worker(redis_url, path, name=f"w{number}")).pid for number in range(count)]


@contextlib.contextmanager
def beat(redis_url: str, path: Path, settings: Mapping[str, str] = NOTHING) -> Iterator[subprocess.Popen[bytes]]:
    """A beat with the words of `start.py`, which ticks."""
    env = {"REDIS_URL": redis_url, "LOG_LEVEL": "WARNING"} | dict(settings)
    with running(["-m", *CELERY_ROLES, "beat"], env, path / "beat.log") as process:
        _wait_for_beat(redis_url, path / "beat.log")
        yield process


def _wait_for_beat(redis_url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with store_at(redis_url) as store:
        while store.liveness.last_beat() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"beat does not tick; its log ends with\n{log.read_text()[-2000:]}")
            time.sleep(0.05)


def wait_until_it_runs(store: Store, fields: Mapping[str, Any] = NO_OP) -> None:
    """Wait until a worker has run a task like this."""
    before = count_in(store, Status.SUCCEEDED)
    add_tasks(store, 1, fields)
    wait_for(store, before + 1, READY_SECONDS)
