"""What a task costs besides processor time, from its creation until it has finished and is kept: the memory that Redis
keeps for it, what the append-only file grows by, and what goes over the network to and from Redis.

Nothing here depends on how fast the machine is: bytes are counted.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from app.domain.status import Kind, Status
from app.store.store import Store
from benchmarks.made import NO_OP, SIGNING, add_tasks, count_in, store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side
from benchmarks.processes import folder, server
from benchmarks.target import target
from benchmarks.workers import wait_until_it_runs, worker

MEMORY, FILE, RECEIVED, SENT = "memory", "append-only file", "to Redis", "from Redis"
IDLE_SECONDS = 2.0
END_SECONDS = 300.0
POLL_SECONDS = 0.05
RETRIED = "def main():\n    raise ValueError('no')\n"
SETUP = "created one by one through the store, run by a worker for each kind; a server like the embedded one"


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks of a round."""

    tasks: int


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the server has counted until a moment."""

    at: float
    memory: int
    file: int
    received: int
    sent: int

    @classmethod
    def of(cls, client: redis.Redis) -> _Counts:
        info: Any = client.info()
        memory = info["used_memory"] - info["mem_aof_buffer"] - info["mem_clients_normal"]
        received, sent = info["total_net_input_bytes"], info["total_net_output_bytes"]
        return cls(time.monotonic(), memory, info["aof_current_size"], received, sent)


@contextlib.contextmanager
def of_tasks(size: Size, *, fields: Mapping[str, Any], status: Status = Status.SUCCEEDED) -> Iterator[Round]:
    """Tasks with these fields; `status` is how they end. TARGET in a field stands for the URL of a target."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = f"{stack.enter_context(target())}kilobyte"
        redis_url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(redis_url))
        for kind in Kind:
            stack.enter_context(worker(redis_url, path, kind, name=str(kind), settings=SIGNING))
        client = stack.enter_context(redis.Redis.from_url(redis_url))
        task = {name: url if value == "TARGET" else value for name, value in fields.items()}
        wait_until_it_runs(store)
        wait_until_it_runs(store, {"name": "call", "api_url": url})
        yield lambda: _round(store, client, task, size.tasks, status)


def _round(store: Store, client: redis.Redis, task: Mapping[str, Any], number: int, status: Status) -> dict[str, float]:
    idle = _Counts.of(client)
    time.sleep(IDLE_SECONDS)  # what workers say while there is nothing to do is not the tasks'
    before = _Counts.of(client)
    wanted = count_in(store, status) + number
    for _ in range(number):
        add_tasks(store, 1, task)
    deadline = time.monotonic() + END_SECONDS
    pending = store.keys.delivery_index("pending")
    while count_in(store, status) < wanted or client.zcard(pending):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {number} tasks have ended within {END_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    after = _Counts.of(client)
    idle_share = (after.at - before.at) / (before.at - idle.at)
    return {
        MEMORY: (after.memory - before.memory) / number,
        FILE: (after.file - before.file) / number,
        RECEIVED: (after.received - before.received - idle_share * (before.received - idle.received)) / number,
        SENT: (after.sent - before.sent - idle_share * (before.sent - idle.sent)) / number,
    }


API = {"name": "call", "api_url": "TARGET"}
OTHERS: Mapping[str, tuple[Mapping[str, Any], Status]] = {
    "an API task with an answer of 1 KB": (API, Status.SUCCEEDED),
    "a code task with a callback": ({**NO_OP, "callback_url": "TARGET"}, Status.SUCCEEDED),
    "a code task with two tags and 100 arguments": (
        {**NO_OP, "function_code": "def main(*numbers):\n    return sum(numbers)\n", "args": list(range(100))}
        | {"tags": ["team-a", "nightly"]},
        Status.SUCCEEDED,
    ),
    "a code task that fails after a retry": (
        {**NO_OP, "function_code": RETRIED, "max_retries": 1, "retry_delay": 0.1, "retry_max_delay": 0.1},
        Status.FAILED,
    ),
}

MEASUREMENTS = (
    Measurement(
        name="footprint",
        question="Bytes of a finished task: kept in Redis' memory, added to its file, sent to it and by it",
        figures=tuple(Figure("bytes", Better.LOWER, (), name) for name in (MEMORY, FILE, RECEIVED, SENT)),
        ours=Side("a no-op code task", SETUP, functools.partial(of_tasks, fields=NO_OP)),
        baselines=tuple(
            Side(name, SETUP, functools.partial(of_tasks, fields=fields, status=status))
            for name, (fields, status) in OTHERS.items()
        ),
        full=Size(1_000),
        quick=Size(20),
        rounds=3,
        warm_up_rounds=1,
    ),
)
