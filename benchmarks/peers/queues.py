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
from celery import Celery

from benchmarks.draining import lengths
from benchmarks.measurement import SideAbsent
from benchmarks.peers import REDIS_URL
from benchmarks.peers.celery import CELERY, WORKER_MODULE
from benchmarks.peers.celery_tasks import make_app
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
    """One system. `share`: how many times our number of tasks makes a round about as long as ours.

    queue: its queue on the server at a URL; raises ImportError. command: its two workers there.
    """

    name: str
    setup: str
    package: str
    queue: Callable[[str], PeerQueue]
    command: Callable[[str], list[str]]
    share: float = 1.0

    def queue_at(self, redis_url: str) -> PeerQueue:
        """Its queue. Raises SideAbsent."""
        try:
            return self.queue(broker_url(redis_url))
        except ImportError:
            raise SideAbsent.without(self.package) from None

    def workers(self, redis_url: str, log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Its workers, ended with the block."""
        url = broker_url(redis_url)
        return program(self.command(url), {REDIS_URL: url}, log)

    @contextlib.contextmanager
    def start(self, redis_url: str, path: Path) -> Iterator[Started]:
        """Its workers, which have run a task, and its queue. Raises SideAbsent."""
        queue, log = self.queue_at(redis_url), path / "peer.log"
        with self.workers(redis_url, log) as process:
            _wait_until_it_runs(queue, log)
            yield process, queue


def _wait_until_it_runs(queue: PeerQueue, log: Path) -> None:
    """Wait until a worker has run a task."""
    queue.add(1)
    deadline = time.monotonic() + READY_SECONDS
    while queue.left():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no worker runs a task: {log.read_text()[-2000:]}")
        time.sleep(0.02)


# --- Celery ------------------------------------------------------------------------------------------


class CeleryQueue:
    """The tasks of a Celery application; `add` queues those of one name and one set of arguments."""

    def __init__(self, app: Celery, redis_url: str, task: str = "nothing", *arguments: Any) -> None:
        self._app = app
        self._client = redis.Redis.from_url(redis_url)
        self._task = task
        self._arguments = arguments

    def send(self, task: str, *arguments: Any) -> None:
        """Queue a task."""
        self._app.send_task(task, arguments)

    def add(self, count: int) -> None:
        """Queue so many tasks."""
        for _ in range(count):
            self.send(self._task, *self._arguments)

    def left(self) -> int:
        """Those in the queue, and those that the worker has fetched and not acknowledged."""
        return lengths(self._client, llen="celery", hlen="unacked")


# --- RQ ----------------------------------------------------------------------------------------------


class _RqQueue:
    def __init__(self, url: str) -> None:
        from rq import Queue

        self._client = redis.Redis.from_url(url)
        self._queue = Queue(connection=self._client)
        self._sent = 0

    def send(self, task: str, *arguments: Any) -> None:
        self._queue.enqueue(f"benchmarks.peers.rq_tasks.{task}", *arguments)
        self._sent += 1

    def add(self, count: int) -> None:
        name = "benchmarks.peers.rq_tasks.nothing"
        self._queue.enqueue_many([self._queue.prepare_data(name) for _ in range(count)])
        self._sent += count

    def left(self) -> int:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zcard("rq:finished:default")
            pipeline.zcard("rq:failed:default")
            ended: int = sum(pipeline.execute())
        return self._sent - ended


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


# --- all ---------------------------------------------------------------------------------------------


def _script(name: str, *words: str) -> list[str]:
    return [str(SCRIPTS / name), *words]


BARE_CELERY = Peer(
    CELERY,
    "worker --pool prefork -c 2, default acks, no result backend",
    "celery",
    queue=lambda url: CeleryQueue(make_app(url), url),
    command=lambda url: _script("celery", "-q", "-A", WORKER_MODULE, "worker", "--pool", "prefork", "-c", "2"),
    share=2,
)
RQ = Peer(
    "RQ",
    "rq worker-pool -n 2, defaults: a fork per job, results kept",
    "rq",
    queue=_RqQueue,
    command=lambda url: _script("rq", "worker-pool", "-q", "-n", "2", "-u", url),
    share=0.15,
)
HUEY = Peer(
    "Huey",
    "huey_consumer -w 2 -k process, else defaults",
    "huey",
    queue=_HueyQueue,
    command=lambda url: _script(
        "huey_consumer", "benchmarks.peers.huey_worker.huey", *["-w", "2", "-k", "process", "-q"]
    ),
    share=6,
)
DRAMATIQ = Peer(
    "Dramatiq",
    "dramatiq --processes 2, defaults: 8 threads each",
    "dramatiq",
    queue=_DramatiqQueue,
    command=lambda url: _script("dramatiq", "benchmarks.peers.dramatiq_worker", "--processes", "2"),
    share=4,
)
PEERS = (BARE_CELERY, RQ, HUEY, DRAMATIQ)
