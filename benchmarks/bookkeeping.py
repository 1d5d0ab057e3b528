"""What leases and histories cost: no-op code tasks through one worker that keeps them, and one that does not.

    with      the worker as it is
    without   the same worker, its scripts without leases and histories, nothing renewed

Each turn has a server of its own, with all tasks created before the worker starts. Counted by the records, from the
first start to the last end.
"""

from __future__ import annotations

import runpy
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.spec import parse_task
from app.domain.status import Status, TaskType
from app.messaging.encoder import MessageEncoder
from app.store import scripts
from app.store.listing import Filters
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from benchmarks.processes import running, server
from tasks.leases.renewal import Renewal

TASKS = 2_000
ROUNDS = 3
PATIENCE_SECONDS = 120
TARGET_COST_PERCENT = 15.0
TASK = {"name": "benchmark", "function_code": "def main():\n    return 1\n", "function_name": "main"}
WORKER = ("celery", "-q", "-A", "celery_app", "worker", "-Q", "celeriac.code", "--without-mingle", "--without-gossip")

#: Of each script, the text that keeps leases and histories, and what is left without it.
KEPT = {
    "_lib.lua": (
        ("  record_change(id, task.status, status, now_ms, actor, reason)\n", ""),
        (
            "    unschedule(ending.id)\n    redis.call('ZREM', P .. 'leases', ending.id)\n",
            "    unschedule(ending.id)\n",
        ),
    ),
    "claim.lua": (
        ("redis.call('ZADD', P .. 'leases', lease_until_ms, task_id)\n", ""),
        (", lease_until_ms = lease_until_ms", ""),
    ),
}


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    per_second: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(ROUNDS):
        for side, found in per_second.items():
            found.append(_tasks_per_second(side))
    kept, left = (statistics.median(found) for found in per_second.values())
    cost = (1 - kept / left) * 100
    missed = "; MISSED" if cost > TARGET_COST_PERCENT else ""
    return [
        f"with leases and histories  {kept:.0f} tasks/s   (turns: {_listed(per_second['with'])})",
        f"without                    {left:.0f} tasks/s   (turns: {_listed(per_second['without'])})",
        f"cost                       {cost:.1f} % of the throughput (at most {TARGET_COST_PERCENT:g} %{missed})",
    ]


def _listed(figures: Sequence[float]) -> str:
    return ", ".join(f"{figure:.0f}" for figure in figures)


def _tasks_per_second(side: str) -> float:
    with tempfile.TemporaryDirectory(prefix="celeriac-") as name, server(Path(name) / "redis") as redis_url:
        store = Store.at(redis_url)
        _create(store)
        words = ("-m", "benchmarks.bookkeeping", side, name)
        with running(words, {"REDIS_URL": redis_url, "LOG_LEVEL": "WARNING"}, Path(name) / "worker.log"):
            return TASKS / _seconds(store)


def _create(store: Store) -> None:
    dispatcher = Dispatcher(MessageEncoder(store.keys), horizon_seconds=5)
    for _ in range(TASKS):
        now_ms = system_clock()
        spec = parse_task(TASK, now_ms, lambda fields: [])
        task = dispatcher.from_spec(spec, new_id(now_ms), TaskType.IMMEDIATE, now_ms, now_ms)
        store.tasks.create([task], now_ms)


def _seconds(store: Store) -> float:
    """From the first start to the last end, when all have succeeded."""
    indexes = [index for index in store.retention.finished_indexes() if index.endswith(f":{Status.SUCCEEDED}")]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while store.retention.count(indexes) < TASKS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{store.retention.count(indexes)} of {TASKS} tasks ran within {PATIENCE_SECONDS} s")
        time.sleep(0.1)
    started_ms, finished_ms, cursor = [], [], None
    while True:
        page = store.listing.page(Filters(status=Status.SUCCEEDED), 200, cursor)
        started_ms += [task.started_ms or 0 for task in page.items]
        finished_ms += [task.finished_ms or 0 for task in page.items]
        cursor = page.cursor
        if cursor is None:
            return (max(finished_ms) - min(started_ms)) / 1000


# --- the worker, in a process of its own -------------------------------------------------------------


def _keep_nothing(folder: Path) -> None:
    """Have this process' stores use scripts without leases and histories."""
    shutil.copytree(scripts._FOLDER, folder)
    for name, lines in KEPT.items():
        text = (folder / name).read_text()
        for line, left in lines:
            if text.count(line) != 1:
                raise RuntimeError(f"{name} has changed: this benchmark does not find {line!r}")
            text = text.replace(line, left)
        (folder / name).write_text(text)
    scripts._FOLDER = folder
    Renewal._renew = lambda self, now: None  # type: ignore[method-assign]


def main(side: str, folder: str) -> None:
    """Become a worker for code tasks."""
    if side == "without":
        _keep_nothing(Path(folder) / "lua")
    sys.argv = list(WORKER)
    runpy.run_module("celery", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
