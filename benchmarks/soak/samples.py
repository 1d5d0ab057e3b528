"""Reads all figures of a running service at one moment."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from app.domain.status import Kind, Status, TaskType
from app.store.keys import PREFIX, Keys
from benchmarks.processes import descendants, parent_of, pss_mb
from benchmarks.series import percentile
from benchmarks.service import Service
from benchmarks.soak.load import Tally

#: Families of keys that are full only after hours or days, each within a bound of its own: counters of the last two
#: hours, the newest 10,000 changes, the newest 1,000 firings of a schedule, the newest 100 bulks, groups of errors.
SLOW_TO_FILL = re.compile(rf"{PREFIX}(?:minute:|audit$|s:.*:firings$|bulk|error|idem:)")
QUEUED = [Keys().task_index(kind, task_type, Status.QUEUED) for kind in Kind for task_type in TaskType]
ZYGOTES = "zygotes"
#: The role of a process is the first whose pattern its command line has.
ROLES = (
    (ZYGOTES, re.compile(r"sandbox/inside/zygote")),
    ("code worker", re.compile(r"worker (?:--kind|for) code")),
    ("API worker", re.compile(r"worker (?:--kind|for) api")),
    ("beat", re.compile(r"celery_roles beat|celeriac beat")),
    ("API", re.compile(r"start\.py api|granian|celeriac api")),
    ("start.py", re.compile(r"start\.py all")),
)


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of figure: its unit, and the share of its mean by which it may grow in an hour and still count as flat."""

    unit: str
    allowed_share: float
    allowed_least: float = 0.0  # in its unit: what is allowed of a figure that is small


#: The last word of a figure's name -> its sort.
SORTS: Mapping[str, Sort] = {
    "memory": Sort("MB", 0.02, 0.5),
    "threads": Sort("", 0.05, 5.0),
    "descriptors": Sort("", 0.05, 5.0),
    "keys": Sort("", 0.02),
    "files": Sort("", 0.0, 0.5),
    "clients": Sort("", 0.05, 5.0),
    "queued": Sort("tasks", 0.05, 5.0),
    "p50": Sort("ms", 0.10, 0.5),
    "p99": Sort("ms", 0.20, 5.0),
    "processor": Sort("ms per call", 0.05),
}


def sort_of(name: str) -> Sort:
    """The sort of a figure."""
    return SORTS[name.rpartition(" ")[2]]


class Sampler:
    """Reads the figures of a service."""

    def __init__(self, service: Service, tally: Tally, var: Path) -> None:
        self._service = service
        self._tally = tally
        self._var = var
        self._redis = redis.Redis.from_url(service.redis_url, decode_responses=True)
        self._started = time.monotonic()
        self._processor_seconds = service.processor_seconds()
        self._calls = tally.counts.total()

    def close(self) -> None:
        """Close the connection to Redis."""
        self._redis.close()

    def sample(self) -> dict[str, Any]:
        """All figures now: `seconds` since the start, `figures` by name, and `families`: how many keys of each."""
        families, slow = self._keys()
        figures = {
            **self._of_processes(),
            **self._of_redis(families, slow),
            **self._of_calls(),
            "data files": float(sum(1 for path in self._var.rglob("*") if path.is_file())),
        }
        return {"seconds": time.monotonic() - self._started, "figures": figures, "families": dict(families)}

    def _of_processes(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid in {each for root in self._service.pids for each in descendants(root)}:
            with contextlib.suppress(OSError):  # it has just ended
                role = self._role(pid)
                if role == ZYGOTES and self._role(parent_of(pid)) == ZYGOTES:
                    continue  # a child for one program: their number changes from moment to moment
                folder = Path(f"/proc/{pid}")
                figures = {
                    "memory": pss_mb(pid),
                    "threads": sum(1 for _ in (folder / "task").iterdir()),
                    "descriptors": sum(1 for _ in (folder / "fd").iterdir()),
                }
                for what, value in figures.items():
                    found[f"{role} {what}"] = found.get(f"{role} {what}", 0.0) + value
        return found

    def _role(self, pid: int) -> str:
        if pid == self._service.pids[-1]:
            return "Redis process"
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return next((role for role, pattern in ROLES if pattern.search(words)), "other")

    def _keys(self) -> tuple[Counter[str], list[str]]:
        families: Counter[str] = Counter()
        slow = []
        for name in self._redis.scan_iter(count=5_000):
            families[_family(name)] += 1
            if SLOW_TO_FILL.match(name):
                slow.append(name)
        return families, slow

    def _of_redis(self, families: Counter[str], slow: list[str]) -> dict[str, float]:
        info: Any = self._redis.info()
        pipeline = self._redis.pipeline(transaction=False)
        for name in slow:
            pipeline.memory_usage(name, samples=0)
        slow_bytes = sum(size or 0 for size in pipeline.execute())
        queued = sum(int(self._redis.zcard(name)) for name in QUEUED)
        buffers = int(info["mem_aof_buffer"]) + int(info["mem_clients_normal"])
        return {
            "Redis memory": (int(info["used_memory"]) - slow_bytes - buffers) / 1e6,
            "Redis keys": float(families.total() - len(slow)),
            "Redis clients": float(info["connected_clients"]),
            "tasks queued": float(queued),
        }

    def _of_calls(self) -> dict[str, float]:
        figures, latencies = {}, self._tally.latencies()
        for what, least in (("create", "p50"), ("create", "p99"), ("list", "p50"), ("round trip", "p50")):
            if found := latencies.get(what):
                figures[f"{what} {least}"] = percentile(found, int(least[1:]) / 100)
        seconds, calls = self._service.processor_seconds(), self._tally.counts.total()
        if calls > self._calls:
            figures["processor"] = (seconds - self._processor_seconds) / (calls - self._calls) * 1000
        self._processor_seconds, self._calls = seconds, calls
        return figures


def _family(name: str) -> str:
    """A name without the ids and words in it."""
    parts = name.removeprefix(PREFIX).split(":")
    return ":".join([parts[0], *(part for part in parts[2:] if part.isalpha())])
