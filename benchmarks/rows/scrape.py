"""A scrape of `GET /metrics` while Redis holds a million tasks, against one on an empty server."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.fills import records
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.processes import folder
from benchmarks.rows.round_trip import timed
from benchmarks.service import Service, part
from benchmarks.stock import stocked_server

EMPTY = "an empty server"
TARGET_MS = 20.0
CPU = "processor, API and Redis"


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks, and scrapes in a round."""

    tasks: int
    scrapes: int


@contextlib.contextmanager
def scraping(size: Size, *, is_full: bool) -> Iterator[Round]:
    """The API on a server with the tasks, and one client on one connection."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(stocked_server(path, records, size.tasks if is_full else 0))
        service = stack.enter_context(part("api", url, path))
        yield functools.partial(_round, service, functools.partial(_scrape, service), size.scrapes)


def _scrape(service: Service) -> None:
    text = service.api.send("GET", "/metrics", None, 200)
    if b"celeriac_up 1" not in text:
        raise RuntimeError(f"the service is not up: {text[:500]!r}")


def _round(service: Service, scrape: Callable[[], None], scrapes: int) -> dict[str, float]:
    before = service.processor_seconds()
    found = timed(scrape, scrapes)
    return {**found, CPU: (service.processor_seconds() - before) / scrapes * 1000}


MEASUREMENTS = (
    Measurement(
        name="scrape",
        question="A scrape of GET /metrics with 1,000,000 tasks in Redis",
        figures=(
            Figure("ms", Better.LOWER, (), "p50"),
            Figure("ms", Better.LOWER, (at_most(TARGET_MS),), "p99"),
            Figure("ms", Better.LOWER, (), CPU),
        ),
        ours=Side(
            "Celeriac",
            "start.py api on a server without persistence, one connection",
            functools.partial(scraping, is_full=True),
        ),
        baselines=(Side(EMPTY, "the same", functools.partial(scraping, is_full=False)),),
        full=Size(1_000_000, 100),
        quick=Size(20_000, 20),
    ),
)
