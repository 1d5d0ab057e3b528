"""What is lost and what is done twice when workers are killed and started again, again and again.

Every task calls a target, which works for 50 ms and then counts the call, unless the caller has died by then. A task
that is never counted is lost; one that is counted twice was done twice. Nothing here is timed, so the sides kill at the
same time, each its own workers.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from app.domain.status import Kind
from app.settings import Settings
from benchmarks.made import add_tasks, store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.peers.queues import PEERS, Peer
from benchmarks.processes import descendants, folder, send, server
from benchmarks.target import WORK_SECONDS, target
from benchmarks.workers import beat, worker

LOST, TWICE = "not done", "done twice"
AT_A_TIME = 2
PROGRESS_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks, kills, how long after the last kill a task may still be done, and our LEASE_SECONDS."""

    tasks: int
    kills: int
    patience_seconds: float
    lease_seconds: float = Settings().lease_seconds


#: Starts the workers of a side; files go to the path.
Workers = Callable[[Path], AbstractContextManager[subprocess.Popen[bytes]]]


def _losses(size: Size, target_url: str, workers: Workers, path: Path) -> dict[str, float]:
    """Kill whenever another share of the tasks is done; count in the end."""
    for number in range(1, size.kills + 1):
        with workers(path / f"{number}.log") as process:
            _wait(target_url, size.tasks * number // (size.kills + 1), PROGRESS_SECONDS)
            send(signal.SIGKILL, descendants(process.pid))
    with workers(path / "last.log"):
        _wait(target_url, size.tasks, size.patience_seconds)
        counts = _counts(target_url)
    return {LOST: size.tasks - len(counts), TWICE: sum(count > 1 for count in counts.values())}


def _wait(target_url: str, count: int, seconds: float) -> None:
    """Wait until so many tasks are done, at most so long."""
    deadline = time.monotonic() + seconds
    while len(_counts(target_url)) < count and time.monotonic() < deadline:
        time.sleep(0.05)


def _counts(target_url: str) -> dict[str, int]:
    found: dict[str, int] = requests.get(f"{target_url}counts", timeout=10).json()
    return found


@contextlib.contextmanager
def _in_background(measure: Callable[[], dict[str, float]]) -> Iterator[Round]:
    """Begin now; the round waits for the end."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(measure).result


@contextlib.contextmanager
def ours(size: Size) -> Iterator[Round]:
    """API tasks through one API worker, beside a beat that is not killed."""
    with contextlib.ExitStack() as stack:
        path, url = stack.enter_context(folder()), stack.enter_context(target())
        redis_url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(redis_url))
        settings = {"LEASE_SECONDS": str(size.lease_seconds)}
        stack.enter_context(beat(redis_url, path, settings))
        for number in range(size.tasks):
            add_tasks(store, 1, {"name": "count", "api_url": f"{url}count/{number}"})

        def workers(log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
            return worker(redis_url, path, Kind.API, name=log.stem, concurrency=AT_A_TIME, settings=settings)

        yield stack.enter_context(_in_background(lambda: _losses(size, url, workers, path)))


@contextlib.contextmanager
def theirs(size: Size, *, peer: Peer) -> Iterator[Round]:
    """Tasks that call the target, through the two workers of a peer."""
    with contextlib.ExitStack() as stack:
        path, url = stack.enter_context(folder()), stack.enter_context(target())
        redis_url = stack.enter_context(server(path / "redis"))
        queue: Any = peer.queue_at(redis_url)
        for number in range(size.tasks):
            queue.send("get", f"{url}count/{number}")
        workers = functools.partial(peer.workers, redis_url)
        yield stack.enter_context(_in_background(lambda: _losses(size, url, workers, path)))


FULL = Size(tasks=200, kills=5, patience_seconds=75)

MEASUREMENTS = (
    Measurement(
        name="kills",
        question=f"Of {FULL.tasks} tasks of {WORK_SECONDS * 1000:g} ms, while workers are killed {FULL.kills} times: "
        f"tasks not done within {FULL.patience_seconds:g} s of the last kill, and tasks done twice",
        figures=(
            Figure("tasks", Better.LOWER, (at_most(0),), LOST),
            Figure("tasks", Better.LOWER, (), TWICE),
        ),
        ours=Side(
            "Celeriac",
            f"one API worker that runs {AT_A_TIME} at a time, killed; a beat; defaults (quick: LEASE_SECONDS=2)",
            ours,
        ),
        baselines=tuple(
            Side(peer.name, peer.setup, functools.partial(theirs, peer=peer), (peer.package,)) for peer in PEERS
        ),
        full=FULL,
        quick=Size(tasks=30, kills=1, patience_seconds=5, lease_seconds=2),
        rounds=1,
        warm_up_rounds=0,
        is_headline=True,
    ),
)
