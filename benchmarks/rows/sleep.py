"""Tasks that sleep: how close many at a time come to what their number permits. Queued before the workers may move."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from app.domain.status import Kind
from benchmarks.draining import drain
from benchmarks.made import NO_OP, store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least
from benchmarks.peers.celery import CELERY, bare_worker
from benchmarks.peers.queues import CeleryQueue
from benchmarks.processes import folder, server
from benchmarks.workers import OurQueue, wait_until_it_runs, worker

AT_A_TIME = 40
SLEEP_SECONDS = 0.1
SLEEPING = {**NO_OP, "function_code": f"import time\n\ndef main():\n    time.sleep({SLEEP_SECONDS})\n"}


@contextlib.contextmanager
def ours(tasks: int) -> Iterator[Round]:
    """One code worker."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(url))
        process = stack.enter_context(worker(url, path, Kind.CODE, concurrency=AT_A_TIME))
        wait_until_it_runs(store, SLEEPING)
        queue = OurQueue(store, SLEEPING)
        yield lambda: tasks / drain([process.pid], queue, tasks)


@contextlib.contextmanager
def bare(tasks: int) -> Iterator[Round]:
    """One Celery worker with as many threads."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(server(path / "redis"))
        app, process = stack.enter_context(bare_worker(url, path, "--pool", "threads", "-c", str(AT_A_TIME)))
        queue = CeleryQueue(app, url, "sleep", SLEEP_SECONDS)
        yield lambda: tasks / drain([process.pid], queue, tasks)


@contextlib.contextmanager
def ideal(tasks: int) -> Iterator[Round]:
    """What so many at a time could do if nothing cost anything."""
    yield lambda: AT_A_TIME / SLEEP_SECONDS


IDEAL = "no cost at all"

MEASUREMENTS = (
    Measurement(
        name="sleep",
        question=f"Tasks per second that sleep {SLEEP_SECONDS:g} s, {AT_A_TIME} at a time; 10,000 in all five rounds",
        figures=(Figure("tasks/s", Better.HIGHER, (at_least(0.75, IDEAL),)),),
        ours=Side("Celeriac", f"one code worker with CODE_CONCURRENCY={AT_A_TIME}", ours),
        baselines=(
            Side(CELERY, f"worker --pool threads -c {AT_A_TIME}, default acks", bare, ("celery",)),
            Side(IDEAL, f"{AT_A_TIME} tasks every {SLEEP_SECONDS:g} s, computed", ideal),
        ),
        full=2_000,
        quick=120,
    ),
)
