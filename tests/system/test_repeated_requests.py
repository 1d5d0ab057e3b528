"""An API that is killed at random moments, a Redis that hangs: callers repeat what was not answered, by its key.

3 kills in the ordinary run. By hand, for long:
`CELERIAC_KILLS=100 python -m pytest tests/system/test_repeated_requests.py`; CELERIAC_SEED repeats a run.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis

from app.launch.child import PARENT_PID
from app.store.listing import Filters
from app.store.store import Store
from tests.servers import ROOT, ModuleProcess, RedisServer, wait_until
from tests.system import free_port

KILLS = int(os.environ.get("CELERIAC_KILLS", "3"))
CALLERS = 4
HANG_SECONDS = 1.8  # longer than the API waits for Redis
PATIENCE_SECONDS = 60
KINDS = 3  # of requests that a caller sends in turn
TASK = {"name": "n", "function_code": "def f():\n    return 1", "function_name": "f"}
SCHEDULE = {**TASK, "task_type": "scheduled", "cron_expression": "0 0 1 1 *"}


class ApiProcess:
    """`start.py api` that can be killed and started again on its port."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.port = free_port()
        self._env = {"REDIS_URL": redis_url, "VAR_DIR": str(folder / "var"), "PORT": str(self.port)}
        # As one that start.py starts again: the port may still be held by a process that was killed.
        self._env[PARENT_PID] = str(os.getpid())
        self._log = folder / "api.log"
        self.start()

    def start(self) -> None:
        """Returns at once."""
        self._process = ModuleProcess(["start", "api"], self._log, ROOT, self._env)

    def kill(self) -> None:
        """SIGKILL to it and all that it started, which may hold the port a moment longer."""
        self._process.kill()
        wait_until(lambda: not self._listens, 30, "the end of all that listened")

    @property
    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def lives(self) -> bool:
        try:
            return self.call("GET", "/health/live")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def call(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, dict[str, object]]:
        """Status and body. Raises OSError or HTTPException where no answer came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json", "Host": "localhost", "Idempotency-Key": key}
        try:
            connection.request(method, path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


@dataclass
class Caller:
    """Creates things until it is told to end, and repeats each request until it is answered, then once more."""

    api: ApiProcess
    number: int
    ended: threading.Event
    ids: dict[str, set[str]] = field(default_factory=dict)
    unanswered: int = 0
    wrong: list[object] = field(default_factory=list)

    def run(self) -> None:
        count = 0
        while not self.ended.is_set():
            key = f"{self.number}-{(count := count + 1)}"
            self.ids[key] = {self._create(key, count), self._create(key, count)}

    def _create(self, key: str, count: int) -> str:
        path, body = [("/api/tasks", TASK), ("/api/tasks", SCHEDULE), ("/api/scheduled-tasks", SCHEDULE)][count % KINDS]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                status, answer = self.api.call("POST", path, body, key)
            except (OSError, http.client.HTTPException, ValueError):  # killed before, or while it answered
                self.unanswered += 1
                self.ended.wait(0.05)
                continue
            if status == 201:
                return str(answer["id"])
            if status != 503:
                self.wrong.append(answer)
                break
            self.unanswered += 1
        return "never"


def hang(redis_url: str) -> None:
    """Redis does nothing for a while; then it does what it was asked for meanwhile."""
    with redis.Redis.from_url(redis_url) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(HANG_SECONDS)
    os.kill(pid, signal.SIGCONT)


def count_all(store: Store) -> int:
    """Tasks and scheduled tasks together."""
    stats = store.stats.read({}, time.time_ns() // 1_000_000)
    return sum(stats.tasks.values()) + sum(stats.schedules.values())


def test_each_key_creates_once_whatever_is_killed(own_server: RedisServer, tmp_path: Path) -> None:
    seed = int(os.environ.get("CELERIAC_SEED", time.time_ns() % 1_000_000))
    print(f"CELERIAC_SEED={seed}")
    chance, ended = random.Random(seed), threading.Event()
    api = ApiProcess(tmp_path, own_server.url)
    callers = [Caller(api, number, ended) for number in range(CALLERS)]
    threads = [threading.Thread(target=caller.run) for caller in callers]
    try:
        wait_until(lambda: api.lives, 30, "an API that serves")
        for thread in threads:
            thread.start()
        for number in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.5))  # the random moment
            if number % 3 == 1:
                hang(own_server.url)
            api.kill()
            api.start()
            wait_until(lambda: api.lives, 30, "an API that serves again")
        wait_until(lambda: all(len(caller.ids) >= KINDS for caller in callers), PATIENCE_SECONDS, "one of each kind")
        ended.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    finally:
        ended.set()
        api.kill()
    ids = {key: found for caller in callers for key, found in caller.ids.items()}
    store = Store.at(own_server.url)
    assert [caller.wrong for caller in callers] == [[]] * CALLERS
    assert sum(caller.unanswered for caller in callers) > 0, "something was killed"
    assert {key: found for key, found in ids.items() if len(found) != 1 or "never" in found} == {}
    assert count_all(store) == len(ids)
    assert len(store.listing.page(Filters(), 200).items) > 0
    print(f"{len(ids)} keys, {sum(caller.unanswered for caller in callers)} requests repeated")
    store.close()
