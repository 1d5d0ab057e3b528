"""The bytes that Redis keeps for a small code task, in all and by part (`benchmarks/memory.py` counts them)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.memory import MOST_FINISHED_BYTES, MOST_QUEUED_BYTES, SMALL_TASK, measured

PARTS = ("record", "indexes", "message", "code", "history", "result", "other")


@contextlib.contextmanager
def bytes_by_part(tasks: int) -> Iterator[Round]:
    """Create the tasks, look, run them without a worker, and look again."""

    def measure() -> dict[str, float]:
        queued, finished = measured(SMALL_TASK, tasks)
        found = {"queued": queued.total, "finished": finished.total}
        for state, size in (("queued", queued), ("finished", finished)):
            found |= {f"{state}: {part}": size.parts.get(part, 0.0) for part in PARTS}
        return found

    yield measure


MEASUREMENTS = (
    Measurement(
        name="memory",
        question="Bytes in Redis for a small code task with one tag, queued and finished, by part",
        figures=(
            Figure("bytes", Better.LOWER, (at_most(MOST_QUEUED_BYTES),), "queued"),
            *(Figure("bytes", Better.LOWER, (), f"queued: {part}") for part in PARTS),
            Figure("bytes", Better.LOWER, (at_most(MOST_FINISHED_BYTES),), "finished"),
            *(Figure("bytes", Better.LOWER, (), f"finished: {part}") for part in PARTS),
        ),
        ours=Side("Celeriac", "tasks through the store, claimed and finished without a worker", bytes_by_part),
        baselines=(),
        full=5_000,
        quick=500,
        warm_up_rounds=0,
    ),
)
