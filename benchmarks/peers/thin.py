"""What one would write without us: Flask that takes a task and sends it, on gunicorn with two processes."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, request
from flask.typing import ResponseReturnValue

from benchmarks.measurement import SideAbsent
from benchmarks.peers import REDIS_URL
from benchmarks.peers.celery_tasks import make_app
from benchmarks.processes import broker_url, free_port, program, wait_for_http

PROCESSES, THREADS = 2, 16


def create_web() -> Flask:
    """The application that gunicorn serves: the body's JSON becomes a task's arguments; nothing is checked or kept."""
    web, celery = Flask("thin"), make_app(os.environ[REDIS_URL])
    run = celery.tasks["run"]

    @web.post("/api/tasks")
    def create() -> ResponseReturnValue:
        body = request.get_json()
        sent = run.apply_async((body,))
        return {"id": sent.id}, 201

    return web


@contextlib.contextmanager
def thin(redis_url: str, path: Path) -> Iterator[tuple[int, int]]:
    """The port on which it listens, and its process."""
    if importlib.util.find_spec("gunicorn") is None:
        raise SideAbsent.without("gunicorn")
    port = free_port()
    command = [str(Path(sys.executable).parent / "gunicorn"), "benchmarks.peers.thin:create_web()"]
    command += ["-w", str(PROCESSES), "-k", "gthread", "--threads", str(THREADS), "-b", f"127.0.0.1:{port}"]
    with program(command, {REDIS_URL: broker_url(redis_url)}, path / "thin.log") as process:
        wait_for_http(port, "/", process, path / "thin.log")
        yield port, process.pid
