"""500 calls to a target that takes a second each: one api worker at its default concurrency against plain threads.

Ours is counted by the records, from the first call's start to the last one's end: what creating a task takes is
another benchmark's business, and the plain side creates none.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import requests

from app.api.context import compose
from app.domain.status import Status
from app.settings import Settings
from app.store.listing import Filters
from app.store.record import Task
from app.store.store import Store
from benchmarks.processes import running, server

CALLS = 500
THREADS = 200  # API_CONCURRENCY's default
ANSWER_SECONDS = 1.0
PATIENCE_SECONDS = 60
TARGET_RATIO = 0.8
TARGET_RESIDENT_MB = 150


class _Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer after a second."""
        time.sleep(ANSWER_SECONDS)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: Any) -> None:
        """Nothing."""


class _Target(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    target = _Target(("127.0.0.1", 0), _Slow)
    url = f"http://127.0.0.1:{target.server_address[1]}/"
    process = get_context("fork").Process(target=target.serve_forever, daemon=True)
    process.start()
    try:
        plain_seconds = _plain(url)
        with tempfile.TemporaryDirectory(prefix="celeriac-") as folder:
            ours_seconds, resident_mb = _ours(url, Path(folder))
    finally:
        process.kill()
    ratio = plain_seconds / ours_seconds
    slow, fat = _missed(ratio < TARGET_RATIO), _missed(resident_mb > TARGET_RESIDENT_MB)
    return [
        f"plain threads  {plain_seconds:.2f} s",
        f"one api worker {ours_seconds:.2f} s: {ratio:.2f}× as fast (at least {TARGET_RATIO}×{slow})",
        f"resident       {resident_mb:.0f} MB (at most {TARGET_RESIDENT_MB} MB{fat})",
    ]


def _missed(is_missed: bool) -> str:
    return "; missed" if is_missed else ""


def _plain(url: str) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        assert set(threads.map(lambda _: requests.get(url, timeout=30).status_code, range(CALLS))) == {200}
    return time.perf_counter() - started


def _ours(url: str, folder: Path) -> tuple[float, float]:
    """Seconds from the first start to the last end, and the worker's resident memory then, in MB."""
    with server(folder / "redis") as redis_url:
        store = Store.at(redis_url)
        service = compose(Settings(), store, lambda source, name: []).tasks
        for _ in range(CALLS):
            service.create({"name": "call", "api_url": url})
        words = ["-m", "celery", "-A", "celery_app", "worker", "-Q", "celeriac.api", f"--concurrency={THREADS}"]
        with running(words, {"REDIS_URL": redis_url}, folder / "worker.log") as worker:
            tasks = _finished(store)
            resident_mb = _resident_mb(worker.pid)
    started_ms = min(task.started_ms or 0 for task in tasks)
    return (max(task.finished_ms or 0 for task in tasks) - started_ms) / 1000, resident_mb


def _finished(store: Store) -> list[Task]:
    """All tasks, when they have succeeded."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        tasks: list[Task] = []
        cursor = None
        while True:
            page = store.listing.page(Filters(status=Status.SUCCEEDED), 200, cursor)
            tasks += page.items
            cursor = page.cursor
            if cursor is None:
                break
        if len(tasks) == CALLS:
            return tasks
        time.sleep(0.1)
    raise RuntimeError(f"{len(tasks)} of {CALLS} calls were made within {PATIENCE_SECONDS} s")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
