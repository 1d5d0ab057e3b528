"""The bytes that Redis keeps for a task, told by part: small tasks that are queued, and the same after they finished.

The difference of `used_memory` per 10,000 tasks is the truth; `MEMORY USAGE` of each key says which part takes what.
`other` is what the two differ by: the server's table of keys, and the room that it grows into.

    python -m benchmarks.memory            # a no-op code task with one tag
    python -m benchmarks.memory --larger   # the same with a program of 4 KB
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.outcome import Outcome
from app.domain.spec import parse_task
from app.domain.status import TaskType
from app.messaging.encoder import MessageEncoder
from app.messaging.queues import celery_priority
from app.store.store import Store
from app.store.tasks import Attempt
from app.usecases.dispatch import Dispatcher
from benchmarks.made import HORIZON_SECONDS
from benchmarks.processes import server

TASKS = 10_000
MOST_QUEUED_BYTES, MOST_FINISHED_BYTES = 1_000, 800
SMALL_TASK: dict[str, Any] = {
    "name": "noop",
    "function_code": "def main():\n    pass\n",
    "function_name": "main",
    "tags": ["benchmark"],
}
LARGER_TASK = {**SMALL_TASK, "function_code": "def main():\n    pass\n" + "# a comment\n" * 340}
WORKER = "celery@worker-1"
#: What follows `t:ID`, and the part that it is of. All else is an index or a list of messages.
PARTS = {
    "": "record",
    ":spec": "code",
    ":result": "result",
    ":stdout": "result",
    ":history": "history",
    ":attempts": "history",
}
SHARED = {"celeriac.": "message", "program:": "code", "minute:": "other", "seq": "other", "call:": "other"}


@dataclass(frozen=True)
class Bytes:
    """What one task takes: `total` by used_memory, `parts` by key; the part `other` completes them to the total."""

    total: float
    parts: Mapping[str, float]

    def line(self) -> str:
        """The figures as text."""
        parts = ", ".join(f"{part} {size:.0f}" for part, size in sorted(self.parts.items(), key=lambda one: -one[1]))
        return f"{self.total:.0f} bytes: {parts}"


def bytes_per_task(raw: redis.Redis, before: int, number: int) -> Bytes:
    """What each of `number` tasks takes in a database that holds nothing else, and had `before` bytes without them."""
    total = (used_memory(raw) - before) / number
    parts: Counter[str] = Counter()
    for name in raw.scan_iter(count=1_000):
        size: Any = raw.memory_usage(name, samples=0)
        parts[_part_of(str(name))] += size
    each = {part: size / number for part, size in parts.items() if part != "other"}
    return Bytes(total, {**each, "other": total - sum(each.values())})


def used_memory(raw: redis.Redis) -> int:
    """The bytes that the server has allocated."""
    info: Any = raw.info("memory")
    return int(info["used_memory"])


def _part_of(name: str) -> str:
    name = name.removeprefix("celeriac:")
    if name.startswith("t:"):
        return PARTS[name[2 + 36 :]]
    return next((part for start, part in SHARED.items() if name.startswith(start)), "indexes")


def run(arguments: Sequence[str] = ()) -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    task = LARGER_TASK if "--larger" in arguments else SMALL_TASK
    queued, finished = measured(task, TASKS)
    return [
        f"queued    {queued.line()}{_missed(queued, MOST_QUEUED_BYTES)}",
        f"finished  {finished.line()}{_missed(finished, MOST_FINISHED_BYTES)}",
    ]


def _missed(found: Bytes, most: int) -> str:
    return f" (at most {most}{'; MISSED' if found.total > most else ''})"


def measured(task: Mapping[str, Any], number: int) -> tuple[Bytes, Bytes]:
    """Create `number` tasks, then run them without a worker. Returns the bytes of each when queued, and finished."""
    with tempfile.TemporaryDirectory(prefix="celeriac-") as folder, server(Path(folder) / "redis") as url:
        raw = redis.Redis.from_url(url, decode_responses=True)
        raw.config_set("appendonly", "no")  # its buffers would be counted
        store = Store.at(url)
        _finish(raw, store, _create(store, task, 200))  # loads the scripts and fills all pools
        raw.flushdb()
        before = used_memory(raw)
        ids = _create(store, task, number)
        queued = bytes_per_task(raw, before, number)
        _finish(raw, store, ids)
        finished = bytes_per_task(raw, before, number)
        store.close()
    return queued, finished


def _create(store: Store, task: Mapping[str, Any], number: int) -> list[str]:
    dispatcher = Dispatcher(MessageEncoder(store.keys), HORIZON_SECONDS)
    now_ms = system_clock()
    spec = parse_task(task, now_ms, lambda fields: [])
    made = []
    for _ in range(number):
        now_ms = system_clock()
        new = dispatcher.from_spec(spec, new_id(now_ms), TaskType.IMMEDIATE, now_ms, now_ms)
        store.tasks.create([new], now_ms)
        made.append(new.id)
    return made


def _finish(raw: redis.Redis, store: Store, ids: Sequence[str]) -> None:
    for task_id in ids:
        raw.rpop(store.keys.queue("celeriac.code", celery_priority(5)))
        now_ms = system_clock()
        attempt = store.tasks.claim(task_id, WORKER, now_ms, now_ms + 15_000)
        assert isinstance(attempt, Attempt), attempt
        outcome = Outcome(result_json=b"null", stdout="", cpu_ms=1.25, memory_kb=9_876)
        store.tasks.finish(attempt, outcome, now_ms + 4, 3.87)


if __name__ == "__main__":
    print("\n".join(run(sys.argv[1:])))
