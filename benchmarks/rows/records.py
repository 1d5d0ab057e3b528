"""A round trip while Redis holds a million records, against one on an empty server."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.fills import records
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.processes import folder
from benchmarks.rows.round_trip import our_call, timed
from benchmarks.service import whole_service
from benchmarks.stock import stocked_server

EMPTY = "an empty server"
#: Else the service would remove what it has been given: the records are old.
KEEP = {"RESULT_TTL": "315000000", "MAX_FINISHED_TASKS": "100000000"}


@dataclass(frozen=True, slots=True)
class Size:
    """Records, and calls in a round."""

    records: int
    calls: int


@contextlib.contextmanager
def beside(size: Size, *, is_full: bool) -> Iterator[Round]:
    """The whole service on a server with the records."""
    count = size.records if is_full else 0
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(stocked_server(path, records, count))
        service = stack.enter_context(whole_service(url, path, KEEP))
        call = our_call(service)
        yield lambda: timed(call, size.calls)


MEASUREMENTS = (
    Measurement(
        name="records",
        question="A round trip of `return 1 + 2 * 3` beside 1,000,000 records of finished tasks",
        figures=(
            Figure("ms", Better.LOWER, (at_most(1.2, EMPTY),), "p50"),
            Figure("ms", Better.LOWER, (), "p99"),
        ),
        ours=Side("Celeriac", "start.py with its defaults, retention off", functools.partial(beside, is_full=True)),
        baselines=(Side(EMPTY, "the same", functools.partial(beside, is_full=False)),),
        full=Size(1_000_000, 100),
        quick=Size(20_000, 20),
    ),
)
