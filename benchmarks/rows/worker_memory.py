"""What a worker keeps of the tasks that it has run: nothing, so its memory must stop growing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks.draining import drain
from benchmarks.made import store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.processes import folder, resident_mb, server
from benchmarks.workers import OurQueue, wait_until_it_runs, workers

GAINED, MEMORY = "gained", "memory"
MOST_GAINED_MB = 0.5
#: A worker that stands still while the queue fills must not be taken for a dead one.
TASKS_AT_ONCE = 5_000


@contextlib.contextmanager
def code_worker(tasks: int) -> Iterator[Round]:
    """One worker for code tasks, which works off its queue again and again."""
    with folder() as path, server(path / "redis") as url, store_at(url) as store, workers(url, path, 1) as pids:
        wait_until_it_runs(store)
        queue = OurQueue(store)

        def measure() -> dict[str, float]:
            before = resident_mb(pids[0])
            for _ in range(max(tasks // TASKS_AT_ONCE, 1)):
                drain(pids, queue, min(tasks, TASKS_AT_ONCE))
            after = resident_mb(pids[0])
            return {GAINED: after - before, MEMORY: after}

        yield measure


MEASUREMENTS = (
    Measurement(
        name="worker_memory",
        question="Memory that a code worker gains while it runs 20,000 tasks, after the first 80,000",
        figures=(
            Figure("MB", Better.LOWER, (at_most(MOST_GAINED_MB),), GAINED),
            Figure("MB", Better.LOWER, (), MEMORY),
        ),
        ours=Side("Celeriac", "as start.py runs it; the zygotes and programs below it do not count", code_worker),
        baselines=(),
        full=20_000,
        quick=100,
        warm_up_rounds=4,
    ),
)
