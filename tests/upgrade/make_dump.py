"""Makes the dump of a form with the code of a version of that form:

    git worktree add --detach /tmp/old COMMIT
    python -m tests.upgrade.make_dump /tmp/old tests/upgrade/form-N

It starts a Redis, and the API, workers and beat of that version, brings tasks into every status (scenario.py), kills
the workers and beat, and saves the data as `form-N.rdb.gz`. What the version's own API says of it becomes
`form-N.json.gz`. It uses the Python that runs it, which needs the packages of both versions.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import redis

from tests.servers import LoggedProcess, redis_program, wait_until
from tests.system import free_port
from tests.upgrade.scenario import (
    BATCH_TASKS,
    CHANNEL,
    LONG_PROGRAM,
    SETTINGS,
    WHILE_MADE_SECONDS,
    Api,
    Case,
    Target,
    finished,
    retried,
    running,
    schedules,
    told,
    waiting,
)

CELERY = (sys.executable, "-m", "celery", "-q", "-A", "celery_app")
#: Creates a batch in the version's own process, which stops after the first of two chunks, as if it had died there.
HALF_A_BATCH = """
import json, os, sys
from app.api.context import compose
from app.api.web import create_web
from app.settings import read_settings
from app.store.store import Store
from sandbox import Sandbox
sandbox = Sandbox(spare_children=1)
sandbox.start()
store = Store.at(os.environ["REDIS_URL"])
store.batches.complete = lambda batch_id: store.batches._scripts("batch_apply", batch_id=batch_id)
web = create_web(compose(read_settings(), store, sandbox.check))
answer = web.test_client().post("/api/tasks/batch", json=json.load(sys.stdin))
print(answer.get_data(as_text=True))
sandbox.close()
store.close()
"""


class Maker:
    """The old version's processes in `checkout`, on a Redis of their own in `folder`."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.checkout, self.folder = checkout, folder
        self.port = free_port()
        self.api = Api(f"http://127.0.0.1:{self.port}")
        self.url = f"unix://{folder}/redis.sock?db=0"
        self.env = {**SETTINGS, "REDIS_URL": self.url, "PORT": str(self.port), "PYTHONPATH": str(checkout)}
        self._processes: list[LoggedProcess] = []

    def start(self, name: str, *words: str) -> LoggedProcess:
        """Start a process of the version."""
        process = LoggedProcess(words, self.folder / f"{name}.log", self.checkout, self.env)
        self._processes.append(process)
        return process

    def start_redis(self) -> redis.Redis:
        """Start the server and return a client of it."""
        program = str(redis_program())
        self.start(
            "redis", program, "--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--dir", str(self.folder)
        )
        client = redis.Redis.from_url(self.url, decode_responses=True)
        wait_until(lambda: _answers(client), 10, "Redis")
        return client

    def run(self, *words: str, text: str = "") -> str:
        """Run a command of the version to its end; what it prints."""
        env = {**os.environ, **self.env}
        done = subprocess.run(
            words, cwd=self.checkout, env=env, input=text, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return done.stdout

    def close(self) -> None:
        """Kill everything."""
        for process in reversed(self._processes):
            process.kill()

    def tell(self) -> None:
        """Print the logs."""
        for process in self._processes:
            sys.stderr.write(process.output[-5_000:])


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def create(api: Api, cases: dict[str, Case]) -> dict[str, str]:
    """Create the tasks. Their ids by name."""
    return {name: api("POST", "/api/tasks", {"name": name, **case.body})["id"] for name, case in cases.items()}


def await_status(api: Api, cases: dict[str, Case], ids: dict[str, str], names: Iterable[str] | None = None) -> None:
    """Wait until the tasks have the status that they have in the dump."""
    for name in names or cases:
        path = f"/api/tasks/{ids[name]}"
        wait_until(lambda path=path, name=name: api("GET", path)["status"] == cases[name].status, 30, name)


def make(maker: Maker, target: Target) -> dict[str, Any]:
    """Bring everything about; what the version says of it."""
    raw, api = maker.start_redis(), maker.api
    maker.start("api", sys.executable, "start.py", "api")
    wait_until(lambda: _is_up(api), 60, "the API")
    worker = maker.start("worker", *CELERY, "worker")
    beat = maker.start("beat", *CELERY, "beat")
    wait_until(lambda: _is_ready(api), 60, "workers and beat")
    until = time.time() + WHILE_MADE_SECONDS
    ids: dict[str, str] = {}
    done = finished()
    ids |= create(api, done)
    api("POST", f"/api/tasks/{ids['stopped waiting']}/stop")
    stopped = f"/api/tasks/{ids['stopped running']}"
    wait_until(lambda: api("GET", stopped)["status"] == "running", 30, "a task to stop")
    api("POST", f"{stopped}/stop")
    await_status(api, done, ids)
    scheduled = {
        name: api("POST", "/api/scheduled-tasks", {"name": name, **body})["id"] for name, body in schedules().items()
    }
    keyed = api("PUT", "/api/scheduled-tasks/by-key/mine", {"name": "keyed", **schedules()["yearly"]})
    scheduled["keyed"] = keyed["id"]
    for name in ("paused", "all six", "ended"):
        path = f"/api/scheduled-tasks/{scheduled[name]}"
        wait_until(lambda path=path: api("GET", path)["run_count"] > 0, 30, f"a firing of {name}")
    api("POST", f"/api/scheduled-tasks/{scheduled['paused']}/pause")
    beat.process.send_signal(signal.SIGSTOP)  # nothing fires any more; at most five of six have fired
    wait_until(lambda: not api("GET", "/api/tasks?status=running")["items"], 30, "the firings' ends")
    ids |= leave_untold(api, raw)
    ids |= create(api, retried(until))
    await_status(api, retried(until), ids)
    ids |= create(api, running(until))
    await_status(api, running(until), ids)
    assert target.is_slow.wait(30)
    worker.signal(signal.SIGSTOP)
    api("POST", f"/api/tasks/{ids['stop requested']}/stop")
    worker.kill()
    beat.kill()
    ids |= create(api, waiting())
    once = {"name": "once", **waiting()["queued code"].body}
    ids["once"] = api("POST", "/api/tasks", once, Idempotency_Key="upgrade-1")["id"]
    ids["retry of code fails"] = api("POST", f"/api/tasks/{ids['code fails']}/retry")["id"]
    bulk = {"action": "retry", "filter": {"status": "failed", "name": "api fails"}}
    facts: dict[str, Any] = {"bulk": api("POST", "/api/bulk", bulk)["id"], "once": once}
    tasks = [
        {"name": f"batch {n}", "function_code": LONG_PROGRAM, "function_name": "long", "args": ["a"]}
        for n in range(BATCH_TASKS)
    ]
    maker.run(sys.executable, "-c", HALF_A_BATCH, text=json.dumps({"tasks": tasks}))
    facts |= {"ids": ids, "schedules": scheduled}
    facts["tasks"] = {task["id"]: api("GET", f"/api/tasks/{task['id']}") for task in api.all("/api/tasks")}
    facts["scheduled"] = {found["id"]: found for found in api.all("/api/scheduled-tasks")}
    facts["key"] = maker.run(sys.executable, "start.py", "keys", "create", "upgrade", "--scope", "admin").strip()
    for name in raw.scan_iter("celeriac:idem:*"):
        raw.persist(name)  # the tests give it a day again
    raw.save()
    return facts


def leave_untold(api: Api, raw: redis.Redis) -> dict[str, str]:
    """Tasks with deliveries that have failed once, if the version knows deliveries."""
    try:
        api("PUT", "/api/channels/ops", CHANNEL)
    except OSError:
        return {}
    ids = create(api, told())
    await_status(api, told(), ids)
    wait_until(lambda: len(raw.keys("celeriac:d:*:tries")) == len(ids), 30, "the first tries")
    return ids


def _is_up(api: Api) -> bool:
    try:
        return bool(api("GET", "/health/live"))
    except OSError:
        return False


def _is_ready(api: Api) -> bool:
    try:
        return bool(api("GET", "/health"))
    except OSError:
        return False


def main(checkout: Path, output: Path) -> None:
    """Make the two files."""
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        maker = Maker(checkout, Path(folder))
        target = Target(is_made=False)
        try:
            with target.serving():
                facts = make(maker, target)
            data = (Path(folder) / "dump.rdb").read_bytes()
        except BaseException:
            maker.tell()
            raise
        finally:
            maker.close()
    for suffix, content in ((".rdb.gz", data), (".json.gz", json.dumps(facts, sort_keys=True).encode())):
        packed = gzip.compress(content, 9, mtime=0)
        output.with_name(output.name + suffix).write_bytes(packed)
        sys.stdout.write(f"{output.name}{suffix}: {len(packed):,} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
