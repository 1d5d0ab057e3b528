"""The bytes that Redis keeps for a small code task, in all and by part (`benchmarks/memory.py` counts them)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.memory import LARGER_TASK, MOST_FINISHED_BYTES, MOST_QUEUED_BYTES, SMALL_TASK, measured

PARTS = ("record", "indexes", "message", "code", "history", "result", "other")
SMALL = "a program of two lines"


@contextlib.contextmanager
def bytes_by_part(tasks: int, *, task: Mapping[str, Any]) -> Iterator[Round]:
    """Create the tasks, look, run them without a worker, and look again."""

    def measure() -> dict[str, float]:
        queued, finished = measured(task, tasks)
        found = {"queued": queued.total, "finished": finished.total}
        for state, size in (("queued", queued), ("finished", finished)):
            found |= {f"{state}: {part}": size.parts.get(part, 0.0) for part in PARTS}
        return found

    yield measure


SETUP = "tasks through the store, claimed and finished without a worker"

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
        ours=Side("Celeriac", SETUP, functools.partial(bytes_by_part, task=SMALL_TASK)),
        baselines=(),
        full=5_000,
        quick=600,
        warm_up_rounds=0,
    ),
    Measurement(
        name="memory.program",
        question="Bytes in Redis for a code task with the same program of 4 KB as all others",
        figures=(
            Figure("bytes", Better.LOWER, (at_most(1.1, SMALL),), "queued"),
            Figure("bytes", Better.LOWER, (at_most(1.1, SMALL),), "finished"),
        ),
        ours=Side("Celeriac", SETUP, functools.partial(bytes_by_part, task=LARGER_TASK)),
        baselines=(Side(SMALL, SETUP, functools.partial(bytes_by_part, task=SMALL_TASK)),),
        full=5_000,
        quick=600,
        warm_up_rounds=0,
    ),
)
