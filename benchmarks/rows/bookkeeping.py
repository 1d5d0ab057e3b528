"""What leases and histories cost: no-op code tasks through one worker that keeps them, and one that does not."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from benchmarks.draining import RATE, drain_round
from benchmarks.made import store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least
from benchmarks.processes import folder, server
from benchmarks.workers import CELERY_ROLES, OurQueue, wait_until_it_runs, worker

WITHOUT = "without them"


@contextlib.contextmanager
def draining(tasks: int, *, module: str | None = None) -> Iterator[Round]:
    """Tasks per second of one worker: ours, or the one that `module` starts."""
    with folder() as path, server(path / "redis") as url, store_at(url) as store:
        words = CELERY_ROLES if module is None else (module, str(path / "lua"))
        with worker(url, path, module=words) as process:
            wait_until_it_runs(store)
            queue = OurQueue(store)
            yield lambda: drain_round([process.pid], url, queue, tasks)[RATE]


MEASUREMENTS = (
    Measurement(
        name="bookkeeping",
        question="No-op code tasks through one worker that keeps leases and histories",
        figures=(Figure("tasks/s", Better.HIGHER, (at_least(0.85, WITHOUT),)),),
        ours=Side("Celeriac", "one code worker as start.py runs it", draining),
        baselines=(
            Side(
                WITHOUT,
                "the same worker; its scripts keep no leases and histories, and nothing is renewed",
                functools.partial(draining, module="benchmarks.forgetful_worker"),
            ),
        ),
        full=1_000,
        quick=150,
    ),
)
