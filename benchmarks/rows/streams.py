"""What open event streams cost while nothing happens: the processor time of the API and its Redis."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.made import WAITING_TASK
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.service import Service, service

STREAMS = 200
SETTINGS = {"API_THREADS": str(STREAMS + 56), "MAX_EVENT_STREAMS": str(STREAMS)}
SETUP = f"start.py api with API_THREADS={STREAMS + 56} on a server of its own"


@dataclass(frozen=True, slots=True)
class Size:
    """How long a round looks on. All rounds of both sides take longer than the 15 s between two comments."""

    seconds: float


@contextlib.contextmanager
def without(size: Size) -> Iterator[Round]:
    """Nobody listens."""
    with service(SETTINGS) as started:
        yield lambda: _share_of_a_core(started, size.seconds)


@contextlib.contextmanager
def with_streams(size: Size) -> Iterator[Round]:
    """Half of the streams of GET /api/events, half of GET /api/tasks/{id}/events."""
    with service(SETTINGS) as started, contextlib.ExitStack() as streams:
        task_id = started.api.call("POST", "/api/tasks", WAITING_TASK)["id"]
        for number in range(STREAMS):
            path = "/api/events" if number % 2 else f"/api/tasks/{task_id}/events"
            streams.enter_context(_stream(started.port, path))
        yield lambda: _share_of_a_core(started, size.seconds)


@contextlib.contextmanager
def _stream(port: int, path: str) -> Iterator[None]:
    """A connection on which events arrive; nothing reads them."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Accept": "text/event-stream"})
    with contextlib.closing(connection), connection.getresponse() as response:
        if response.status != 200:
            raise RuntimeError(f"{path} was answered with {response.status}")
        yield


def _share_of_a_core(started: Service, seconds: float) -> float:
    before = started.processor_seconds()
    time.sleep(seconds)
    return (started.processor_seconds() - before) / seconds * 100


MEASUREMENTS = (
    Measurement(
        name="streams",
        question=f"Processor time of the API and Redis with {STREAMS} event streams while nothing happens",
        figures=(Figure("% of a core", Better.LOWER, (at_most(5.0),)),),
        ours=Side("Celeriac", f"{STREAMS} streams; {SETUP}", with_streams),
        baselines=(Side("no stream", SETUP, without),),
        full=Size(2.0),
        quick=Size(0.5),
        warm_up_rounds=0,
    ),
)
