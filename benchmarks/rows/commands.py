"""What workers ask of Redis for a task: MONITOR's count of commands that clients send, and of those within scripts."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Iterator

import redis

from benchmarks.draining import Queue
from benchmarks.made import store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side
from benchmarks.peers.queues import PEERS, Peer
from benchmarks.processes import folder, held, server
from benchmarks.workers import OurQueue, wait_until_it_runs, worker

SENT, IN_SCRIPTS = "sent", "in scripts"
#: What this process asks while it waits; no worker sends these by itself.
OWN = ("ZCARD", "LLEN", "HLEN", "ECHO", "CLIENT", "HELLO")
PATIENCE_SECONDS = 60


@contextlib.contextmanager
def ours(tasks: int) -> Iterator[Round]:
    """One code worker."""
    with folder() as path, server(path / "redis") as url, store_at(url) as store, worker(url, path) as process:
        wait_until_it_runs(store)
        queue = OurQueue(store)
        yield lambda: _counted([process.pid], url, queue, tasks)


@contextlib.contextmanager
def theirs(tasks: int, *, peer: Peer) -> Iterator[Round]:
    """The workers of a peer."""
    with folder() as path, server(path / "redis") as url, peer.start(url, path) as (process, queue):
        yield lambda: _counted([process.pid], url, queue, tasks)


def _counted(pids: list[int], url: str, queue: Queue, tasks: int) -> dict[str, float]:
    """Commands per task, from the moment that the workers may move until the queue is empty."""
    counts: Counter[str] = Counter()
    with held(pids):
        queue.add(tasks)
        is_ready = threading.Event()
        thread = threading.Thread(target=_count, args=(url, counts, is_ready), daemon=True)
        thread.start()
        if not is_ready.wait(PATIENCE_SECONDS):
            raise RuntimeError("MONITOR does not begin")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while queue.left():
        if time.monotonic() > deadline:
            raise RuntimeError("the queue is not emptied")
        time.sleep(0.05)
    with redis.Redis.from_url(url) as client:
        client.echo("end")
    thread.join(PATIENCE_SECONDS)
    return {name: counts[name] / tasks for name in (SENT, IN_SCRIPTS)}


def _count(url: str, counts: Counter[str], is_ready: threading.Event) -> None:
    """Count until an ECHO."""
    with redis.Redis.from_url(url, socket_timeout=PATIENCE_SECONDS) as client, client.monitor() as monitor:
        is_ready.set()
        for line in monitor.listen():
            words = line["command"].split()
            if words[0].upper() == "ECHO":
                return
            if line["client_type"] == "lua":
                counts[IN_SCRIPTS] += 1
            elif words[0].upper() not in OWN:
                counts[SENT] += 1


MEASUREMENTS = (
    Measurement(
        name="commands",
        question="Commands in Redis for a no-op task, from its queue to its end",
        figures=(Figure("commands", Better.LOWER, (), SENT), Figure("commands", Better.LOWER, (), IN_SCRIPTS)),
        ours=Side("Celeriac", "one code worker as start.py runs it; counted by MONITOR", ours),
        baselines=tuple(
            Side(peer.name, peer.setup, functools.partial(theirs, peer=peer), (peer.package,)) for peer in PEERS
        ),
        full=200,
        quick=20,
        warm_up_rounds=0,
    ),
)
