"""Runs the API, a worker and beat of another version of the same form beside the present ones, on the same data:

    git worktree add --detach /tmp/old COMMIT
    python -m tests.upgrade.side_by_side /tmp/old

Both APIs take tasks, both workers run them, both beats fire. It fails unless each task has succeeded in one attempt,
each target was called once, each callback was told once, and both workers had work.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.servers import ROOT, wait_until
from tests.system import free_port
from tests.upgrade.make_dump import CELERY, Maker
from tests.upgrade.scenario import TARGET, Api, Target

TASKS = 300
CODE = {"function_code": "def f():\n    return 7", "function_name": "f"}
FIRINGS = 5


def start(maker: Maker, name: str) -> Api:
    """Start the three processes of a version."""
    maker.port = free_port()
    maker.env |= {"PORT": str(maker.port)}
    maker.start(f"{name}-api", sys.executable, "start.py", "api")
    maker.start(f"{name}-worker", *CELERY, "worker", "-n", f"{name}@test")
    maker.start(f"{name}-beat", *CELERY, "beat")
    return Api(f"http://127.0.0.1:{maker.port}")


def is_complete(api: Api) -> bool:
    """Whether both workers are there."""
    try:
        return bool(api("GET", "/health")["workers"]["count"] == 2)
    except OSError:
        return False


def is_idle(api: Api) -> bool:
    """Whether nothing is left to do."""
    by_status = api("GET", "/api/tasks/stats")["by_status"]
    return not any(by_status[status] for status in ("waiting", "queued", "running"))


def run(apis: list[Api], target: Target) -> None:
    """Give both some work, and check what became of it."""
    for api in apis:
        wait_until(lambda api=api: is_complete(api), 90, "both versions")
    schedule = {"name": "s", "every_seconds": 1, "max_runs": FIRINGS, **CODE}
    path = f"/api/scheduled-tasks/{apis[0]('POST', '/api/scheduled-tasks', schedule)['id']}"
    ids = []
    for number in range(TASKS):
        body = {"api_url": f"{TARGET}/ok"} if number % 3 == 0 else CODE
        body = {"name": f"task {number}", "callback_url": f"{TARGET}/told", **body}
        ids.append(apis[number % 2]("POST", "/api/tasks", body)["id"])
    wait_until(lambda: apis[1]("GET", path)["status"] == "ended", 60, "the last firing")
    wait_until(lambda: is_idle(apis[0]), 60, "the end of all tasks")
    wait_until(lambda: target.paths["/told"] >= TASKS, 60, "all callbacks")
    tasks = [apis[0]("GET", f"/api/tasks/{task_id}") for task_id in ids]
    assert Counter((task["status"], task["attempt"]) for task in tasks) == {("succeeded", 1): TASKS}
    assert {target.calls[task["id"]] for task in tasks if task["kind"] == "api"} == {1}
    assert target.paths["/told"] == TASKS
    assert apis[1]("GET", "/api/tasks/stats")["by_status"]["succeeded"] == TASKS + FIRINGS
    workers = Counter(task["worker"] for task in tasks)
    assert len(workers) == 2, workers
    sys.stdout.write(f"{TASKS} tasks and {FIRINGS} firings, each once: {dict(workers)}\n")


def main(other: Path) -> None:
    """Run both versions."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        makers = [Maker(ROOT, Path(folder)), Maker(other, Path(folder))]
        target = Target(is_made=True)
        try:
            makers[0].start_redis()
            with target.serving():
                run([start(maker, name) for maker, name in zip(makers, ("present", "other"), strict=True)], target)
        finally:
            for maker in reversed(makers):
                maker.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
