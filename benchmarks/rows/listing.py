"""Lists and statistics among a million tasks: the time from a request to its response, inside the API's process."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from flask.testing import FlaskClient

from app.api.context import compose
from app.api.web import create_web
from app.settings import Settings
from benchmarks.fills import SCHEDULE_ID, records
from benchmarks.made import no_problems, store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_most
from benchmarks.processes import folder
from benchmarks.series import percentile
from benchmarks.stock import stocked_server

TARGET_MS = 5.0

QUERIES = {
    "no filter": "?",
    "status": "?status=failed",
    "kind": "?kind=api",
    "task_type": "?task_type=immediate",
    "name, one": "?name=JOB 7",
    "name, prefix at the old end": "?name=库存*",
    "name, prefix at the new end": "?name=LATE*",
    "name, prefix of 1,000 names": "?name=job*",
    "name, part of 111 names": "?name=*99*",
    "name, no match": "?name=*nobody*",
    "tag": "?tag=tag7",
    "scheduled_task_id": f"?scheduled_task_id={SCHEDULE_ID}",
    "error_type": "?error_type=Error7",
    "fingerprint": "?fingerprint=0000000000000007",
    "created_after": "?created_after=2026-11-23T08:30:01Z",
    "created_before": "?created_before=2026-11-23T08:30:05Z",
    "finished first": "?sort=finished",
    "finished first, failed": "?sort=finished&status=failed",
    "finished first, tag": "?sort=finished&tag=tag7",
    "finished first, name": "?sort=finished&name=库存*",
    "mixed": "?status=failed&kind=code&tag=tag11&name=job*",
    "mixed, no match": "?status=stopped&kind=api&tag=tag1",
    "statistics": "/stats",
}
#: What the smaller sides answer.
COMPARED = ("no filter", "name, one", "name, prefix of 1,000 names", "tag", "statistics")


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks, and calls of each kind in a round."""

    tasks: int
    calls: int


@contextlib.contextmanager
def listing(size: Size, *, divisor: int, queries: Mapping[str, str]) -> Iterator[Round]:
    """The calls that a round makes, among a part of the tasks."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(stocked_server(path, records, size.tasks // divisor))
        store = stack.enter_context(store_at(url))
        client = create_web(compose(Settings(), store, no_problems)).test_client()
        raw = stack.enter_context(redis.Redis.from_url(url))
        yield lambda: _round(client, raw, queries, size.calls)


def _round(client: FlaskClient, raw: redis.Redis, queries: Mapping[str, str], calls: int) -> dict[str, float]:
    before = _redis_cpu_ms(raw)
    found = {name: _p99_ms(client, path, calls) for name, path in queries.items()}
    used_ms = _redis_cpu_ms(raw) - before
    return {**found, "Redis, mean of all": used_ms / (calls * len(queries))}


def _p99_ms(client: FlaskClient, path: str, calls: int) -> float:
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        response = client.get(f"/api/tasks{path}", base_url="http://localhost:5001")
        taken.append((time.perf_counter() - began) * 1000)
        if response.status_code != 200:
            raise RuntimeError(f"{path} was answered with {response.text[:500]}")
    return percentile(taken, 0.99)


def _redis_cpu_ms(raw: redis.Redis) -> float:
    info: Any = raw.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"]) * 1000


def _smaller(name: str, divisor: int) -> Side[Size]:
    queries = {query: QUERIES[query] for query in COMPARED}
    return Side(name, "the same", functools.partial(listing, divisor=divisor, queries=queries))


MEASUREMENTS = (
    Measurement(
        name="listing",
        question="p99 of GET /api/tasks with each filter, 50 items, and of its statistics, among 1,000,000 tasks",
        figures=(
            *(Figure("ms", Better.LOWER, (at_most(TARGET_MS),), query) for query in QUERIES),
            Figure("ms", Better.LOWER, (), "Redis, mean of all"),
        ),
        ours=Side(
            "Celeriac",
            "Flask's test client in one process, a server without persistence",
            functools.partial(listing, divisor=1, queries=QUERIES),
        ),
        baselines=(_smaller("among a tenth of the tasks", 10), _smaller("among a hundredth", 100)),
        full=Size(1_000_000, 100),
        quick=Size(20_000, 10),
    ),
)
