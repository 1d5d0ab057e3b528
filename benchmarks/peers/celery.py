"""Starting a bare Celery worker, and its queue."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from celery import Celery

from benchmarks.peers import REDIS_URL
from benchmarks.peers.celery_tasks import make_app
from benchmarks.processes import broker_url, running

CELERY = "bare Celery"
WORKER_MODULE = "benchmarks.peers.celery_worker"
READY_SECONDS = 30
REPLY_SECONDS = 10
SOCKET_SECONDS = READY_SECONDS + 5  # longer than any BLPOP


@contextlib.contextmanager
def bare_worker(redis_url: str, path: Path, *words: str) -> Iterator[tuple[Celery, subprocess.Popen[bytes]]]:
    """The application, and `celery worker` with these words, which answers."""
    url = broker_url(redis_url)
    app = make_app(url)
    command = ("-m", "celery", "-q", "-A", WORKER_MODULE, "worker", *words)
    with (
        running(command, {REDIS_URL: url}, path / "bare.log") as process,
        redis.Redis.from_url(url, socket_timeout=SOCKET_SECONDS) as client,
    ):
        app.send_task("reply", ("ready",))
        if client.blpop(["ready"], timeout=READY_SECONDS) is None:
            raise RuntimeError(f"no bare worker: {(path / 'bare.log').read_text()[-2000:]}")
        yield app, process
        app.close()


def replying(app: Celery, redis_url: str, name: str, *arguments: object) -> Callable[[], None]:
    """One round trip: send a task that LPUSHes a reply, and BLPOP it."""
    client, numbers = redis.Redis.from_url(redis_url, socket_timeout=SOCKET_SECONDS), itertools.count()

    def call() -> None:
        key = f"reply:{next(numbers)}"
        app.send_task(name, (*arguments, key))
        if client.blpop([key], timeout=REPLY_SECONDS) is None:
            raise RuntimeError("the bare worker does not answer")

    return call
