"""API tasks to a target that answers at once: what one worker makes of a full queue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from app.domain.status import Kind
from benchmarks.draining import RATE, REDIS, WORKERS, drain_round
from benchmarks.made import store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side
from benchmarks.peers.celery import CELERY, bare_worker
from benchmarks.peers.queues import CeleryQueue
from benchmarks.processes import folder, server
from benchmarks.target import target
from benchmarks.workers import OurQueue, wait_until_it_runs, worker


@contextlib.contextmanager
def ours(tasks: int) -> Iterator[Round]:
    """One API worker at its default concurrency."""
    with contextlib.ExitStack() as stack:
        path, target_url = stack.enter_context(folder()), stack.enter_context(target())
        url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(url))
        fields = {"name": "call", "api_url": target_url}
        process = stack.enter_context(worker(url, path, Kind.API))
        wait_until_it_runs(store, fields)
        queue = OurQueue(store, fields)
        yield lambda: drain_round([process.pid], url, queue, tasks)


@contextlib.contextmanager
def bare(tasks: int) -> Iterator[Round]:
    """One Celery worker whose task calls requests.get."""
    with contextlib.ExitStack() as stack:
        path, target_url = stack.enter_context(folder()), stack.enter_context(target())
        url = stack.enter_context(server(path / "redis"))
        app, process = stack.enter_context(bare_worker(url, path, "--pool", "prefork", "-c", "2"))
        queue = CeleryQueue(app, url, "call", target_url)
        yield lambda: drain_round([process.pid], url, queue, tasks)


MEASUREMENTS = (
    Measurement(
        name="api_tasks",
        question="API tasks per second to a target that answers at once, queued before the worker may move",
        figures=(
            Figure("tasks/s", Better.HIGHER, (), RATE),
            Figure("µs", Better.LOWER, (), WORKERS),
            Figure("µs", Better.LOWER, (), REDIS),
        ),
        ours=Side("Celeriac", "one API worker as start.py runs it: checked addresses, records, histories", ours),
        baselines=(
            Side(
                CELERY,
                "worker --pool prefork -c 2, default acks; the task calls requests.get and parses the JSON",
                bare,
                ("celery", "requests"),
            ),
        ),
        full=1_500,
        quick=150,
    ),
)
