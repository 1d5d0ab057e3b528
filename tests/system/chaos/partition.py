"""Measures what a partition costs: `python -m tests.system.chaos.partition`, as root, with settings as they come.

The hosts are those of hosts_cluster.py, without load and other harm. docs/hosts.md has the figures.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.domain.times import parse_rfc3339
from tests.programs import installed
from tests.servers import wait_until
from tests.system.chaos.client import Caller
from tests.system.chaos.cluster import Member
from tests.system.chaos.hosts_cluster import APIS, BEATS, WORKERS, HostCluster
from tests.system.chaos.journal import log_lines

LEASE_SECONDS = 15.0
LONG = {"name": "long", "function_code": "import time\ndef f(): time.sleep(100)", "function_name": "f", "timeout": 200}
QUICK = {"name": "quick", "function_code": "def f(): return 1", "function_name": "f"}
WAIT_SECONDS = 90.0


def main() -> int:
    """Measure, and print a line for each; the exit status."""
    redis, haproxy = installed(["redis-server", "redis-check-rdb"]), installed(["haproxy"])
    if redis is None or haproxy is None:
        print("install redis-tools and haproxy", file=sys.stderr)
        return 1
    logs = Path(tempfile.mkdtemp(prefix="cel-logs-"))
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        cluster = HostCluster(redis, haproxy, Path(folder), logs, LEASE_SECONDS)
        with cluster:
            cluster.start()
            caller = cluster.caller()
            wait_until(lambda: caller.call("GET", "/health/ready").status == 200, WAIT_SECONDS, "ready")
            for measure in (_worker, _api, _beats, _master):
                measure(cluster, caller)
    shutil.rmtree(logs)
    return 0


def _tell(what: str, seconds: float) -> None:
    print(f"{what}: {seconds:.1f} s", flush=True)


def _until(condition: Callable[[], Any]) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    wait_until(condition, WAIT_SECONDS, "what is measured")
    return time.monotonic() - began


def _said(member: Member, action: str, task_id: str) -> float | None:
    """When a worker said so first, in ms of this machine's clock."""
    for line in log_lines(member.life.log):
        if line.get("action") == action and line.get("task_id") == task_id:
            return parse_rfc3339(line["time"]) - member.ahead_ms
    return None


def _worker(cluster: HostCluster, caller: Caller) -> None:
    task_id = caller.call("POST", "/api/tasks", LONG).body["id"]
    _until(lambda: any(_said(cluster[name], "task_started", task_id) for name in WORKERS))
    held = next(cluster[name] for name in WORKERS if _said(cluster[name], "task_started", task_id))
    others = [cluster[name] for name in WORKERS if name != held.name]
    sandboxes = len(held.sandboxes())
    _cut(held)
    began = time.monotonic()
    _until(lambda: any(line.get("action") == "leases_lost" for line in log_lines(held.life.log)))
    _tell(f"a worker that is cut off ends its attempt (of {sandboxes} processes)", time.monotonic() - began)
    _until(lambda: any(_said(other, "task_started", task_id) for other in others))
    _tell("another worker runs the task", time.monotonic() - began)
    _mend(held)
    caller.call("POST", f"/api/tasks/{task_id}/stop")


def _api(cluster: HostCluster, caller: Caller) -> None:
    _cut(cluster[APIS[0]])
    began, slowest = time.monotonic(), 0.0
    failed = 0
    while time.monotonic() - began < 10:
        asked = time.monotonic()
        failed += caller.call("GET", "/health/live").status != 200
        slowest = max(slowest, time.monotonic() - asked)
    _mend(cluster[APIS[0]])
    print(f"an API is cut off: {failed} calls without an answer of ours", flush=True)
    _tell("the slowest call", slowest)


def _beats(cluster: HostCluster, caller: Caller) -> None:
    body = {**QUICK, "cron_expression": "* * * * * *"}
    schedule = caller.call("POST", "/api/scheduled-tasks", body).body["id"]

    def runs() -> int:
        answer = caller.call("GET", f"/api/scheduled-tasks/{schedule}")
        return int(answer.body["run_count"]) if answer.status == 200 else 0

    _until(lambda: runs() > 2)
    _cut(cluster[BEATS[0]])
    longest, last, seen = 0.0, time.monotonic(), runs()
    began = time.monotonic()
    while time.monotonic() - began < 15:
        if (now := runs()) > seen:
            longest, last, seen = max(longest, time.monotonic() - last), time.monotonic(), now
    _mend(cluster[BEATS[0]])
    _tell("one of two beats is cut off: the longest time between firings of each second", longest)
    caller.call("DELETE", f"/api/scheduled-tasks/{schedule}")


def _master(cluster: HostCluster, caller: Caller) -> None:
    master = cluster[cluster.master()]
    _cut(master)
    began, tries = time.monotonic(), 0
    while caller.call("POST", "/api/tasks", QUICK).status != 201:
        tries += 1
    _tell(f"the master of Redis is cut off: tasks are accepted again, after {tries} refusals", time.monotonic() - began)
    _mend(master)


def _cut(member: Member) -> None:
    assert member.link is not None
    member.link.cut_off()


def _mend(member: Member) -> None:
    assert member.link is not None
    member.link.mend()


if __name__ == "__main__":
    sys.exit(main())
