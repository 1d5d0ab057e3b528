"""The task queues that a user might pick instead: each with two workers, and otherwise with its own defaults."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import redis

from benchmarks.draining import lengths
from benchmarks.measurement import SideAbsent
from benchmarks.peers import REDIS_URL
from benchmarks.peers.celery import CELERY, bare_worker
from benchmarks.processes import broker_url, program

READY_SECONDS = 30
SCRIPTS = Path(sys.executable).parent


class PeerQueue(Protocol):
    """The queue of one system."""

    def send(self, task: str, *arguments: Any) -> None:
        """Queue a task of a name."""

    def add(self, count: int) -> None:
        """Queue tasks that do nothing."""

    def left(self) -> int:
        """How many tasks have not ended. (At the end of a queue, a worker may be busy with its last one.)"""


Started = tuple[subprocess.Popen[bytes], PeerQueue]


@dataclass(frozen=True, slots=True)
class Peer:
    """One system. `share`: of the tasks of a round, as many as it needs to take about as long as the others.

    start: its workers on a server, and its queue; files go into a folder. Raises SideAbsent.
    """

    name: str
    setup: str
    start: Callable[[str, Path], AbstractContextManager[Started]]
    package: str
    share: float = 1.0


# --- Celery ------------------------------------------------------------------------------------------


class _CeleryQueue:
    def __init__(self, app: Any, client: redis.Redis) -> None:
        self._app = app
        self._client = client

    def send(self, task: str, *arguments: Any) -> None:
        self._app.send_task(task, arguments)

    def add(self, count: int) -> None:
        for _ in range(count):
            self.send("nothing")

    def left(self) -> int:
        return lengths(self._client, llen="celery", hlen="unacked")


@contextlib.contextmanager
def _celery(redis_url: str, path: Path) -> Iterator[Started]:
    client = redis.Redis.from_url(redis_url)
    with bare_worker(redis_url, path, "--pool", "prefork", "-c", "2") as (app, process):
        yield process, _CeleryQueue(app, client)


# --- RQ ----------------------------------------------------------------------------------------------


class _RqQueue:
    def __init__(self, client: redis.Redis) -> None:
        from rq import Queue

        self._client = client
        self._queue = Queue(connection=client)
        self._sent = 0

    def send(self, task: str, *arguments: Any) -> None:
        self._queue.enqueue(f"benchmarks.peers.rq_tasks.{task}", *arguments)
        self._sent += 1

    def add(self, count: int) -> None:
        job = self._queue.prepare_data("benchmarks.peers.rq_tasks.nothing")
        self._queue.enqueue_many([self._queue.prepare_data(job.func) for _ in range(count)])
        self._sent += count

    def left(self) -> int:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zcard("rq:finished:default")
            pipeline.zcard("rq:failed:default")
            ended: int = sum(pipeline.execute())
        return self._sent - ended


@contextlib.contextmanager
def _rq(redis_url: str, path: Path) -> Iterator[Started]:
    with _installed("rq"):
        client = redis.Redis.from_url(broker_url(redis_url))
        queue = _RqQueue(client)
    command = [str(SCRIPTS / "rq"), "worker-pool", "-q", "-n", "2", "-u", broker_url(redis_url)]
    with program(command, {}, path / "rq.log") as process:
        _wait_until_it_runs(queue, path / "rq.log")
        yield process, queue


# --- Huey --------------------------------------------------------------------------------------------


class _HueyQueue:
    def __init__(self, url: str) -> None:
        from benchmarks.peers.huey_tasks import make_huey

        self._huey = make_huey(url)

    def send(self, task: str, *arguments: Any) -> None:
        self._huey.tasks[task](*arguments)

    def add(self, count: int) -> None:
        for _ in range(count):
            self.send("nothing")

    def left(self) -> int:
        return int(self._huey.storage.queue_size())


@contextlib.contextmanager
def _huey(redis_url: str, path: Path) -> Iterator[Started]:
    url = broker_url(redis_url)
    with _installed("huey"):
        queue = _HueyQueue(url)
    command = [str(SCRIPTS / "huey_consumer"), "benchmarks.peers.huey_worker.huey", "-w", "2", "-k", "process", "-q"]
    with program(command, {REDIS_URL: url}, path / "huey.log") as process:
        _wait_until_it_runs(queue, path / "huey.log")
        yield process, queue


# --- Dramatiq ----------------------------------------------------------------------------------------


class _DramatiqQueue:
    def __init__(self, url: str) -> None:
        from benchmarks.peers.dramatiq_tasks import make_broker

        self._broker = make_broker(url)

    def send(self, task: str, *arguments: Any) -> None:
        self._broker.get_actor(task).send(*arguments)

    def add(self, count: int) -> None:
        for _ in range(count):
            self.send("nothing")

    def left(self) -> int:
        return int(self._broker.client.hlen("dramatiq:default.msgs"))


@contextlib.contextmanager
def _dramatiq(redis_url: str, path: Path) -> Iterator[Started]:
    url = broker_url(redis_url)
    with _installed("dramatiq"):
        queue = _DramatiqQueue(url)
    command = [str(SCRIPTS / "dramatiq"), "benchmarks.peers.dramatiq_worker", "--processes", "2"]
    with program(command, {REDIS_URL: url}, path / "dramatiq.log") as process:
        _wait_until_it_runs(queue, path / "dramatiq.log")
        yield process, queue


# --- all ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _installed(package: str) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise SideAbsent(f"{package} is not installed: pip install -r requirements-dev.txt") from None


def _wait_until_it_runs(queue: PeerQueue, log: Path) -> None:
    """Wait until a worker has run a task."""
    queue.add(1)
    deadline = time.monotonic() + READY_SECONDS
    while queue.left():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no worker runs a task: {log.read_text()[-2000:]}")
        time.sleep(0.02)


BARE_CELERY = Peer(CELERY, "worker --pool prefork -c 2, default acks, no result backend", _celery, "celery", share=2)
RQ = Peer("RQ", "rq worker-pool -n 2, defaults: a fork per job, results kept", _rq, "rq", share=0.15)
HUEY = Peer("Huey", "huey_consumer -w 2 -k process, else defaults", _huey, "huey", share=6)
DRAMATIQ = Peer("Dramatiq", "dramatiq --processes 2, defaults: 8 threads each", _dramatiq, "dramatiq", share=4)
PEERS = (BARE_CELERY, RQ, HUEY, DRAMATIQ)
