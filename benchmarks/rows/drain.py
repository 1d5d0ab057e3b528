"""How fast queued no-op tasks are worked off, and what each costs: ours in the sandbox with records, theirs bare."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from benchmarks.draining import RATE, REDIS, WORKERS, drain_round
from benchmarks.made import store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least
from benchmarks.peers.queues import BARE_CELERY, PEERS, RQ, Peer
from benchmarks.processes import folder, own_cpu_seconds, server
from benchmarks.workers import OurQueue, wait_until_it_runs, workers

SANDBOX = "of that, the sandbox"


@contextlib.contextmanager
def ours(tasks: int, *, count: int = 1) -> Iterator[Round]:
    """Code tasks through some workers as start.py runs them."""
    with folder() as path, server(path / "redis") as url, store_at(url) as store, workers(url, path, count) as pids:
        wait_until_it_runs(store)
        queue = OurQueue(store)

        def measure() -> dict[str, float]:
            before = sum(map(own_cpu_seconds, pids))
            found = drain_round(pids, url, queue, tasks)
            own_us = (sum(map(own_cpu_seconds, pids)) - before) / tasks * 1e6
            return {**found, SANDBOX: found[WORKERS] - own_us}

        yield measure


@contextlib.contextmanager
def theirs(tasks: int, *, peer: Peer) -> Iterator[Round]:
    """The no-op tasks of a peer."""
    with folder() as path, server(path / "redis") as url, peer.start(url, path) as (process, queue):
        yield lambda: drain_round([process.pid], url, queue, round(tasks * peer.share))


def side(peer: Peer) -> Side[int]:
    """A peer as a side."""
    return Side(peer.name, peer.setup, functools.partial(theirs, peer=peer), (peer.package,))


FIGURES = (
    Figure(
        "tasks/s",
        Better.HIGHER,
        (at_least(0.5, BARE_CELERY.name), at_least(6.0, RQ.name, stretch=8.0)),
        RATE,
    ),
    Figure("µs", Better.LOWER, (), WORKERS),
    Figure("µs", Better.LOWER, (), SANDBOX),
    Figure("µs", Better.LOWER, (), REDIS),
)
ONE, TWO = "one worker", "two workers"

MEASUREMENTS = (
    Measurement(
        name="drain",
        question="No-op tasks worked off per second, queued before the workers may move",
        figures=FIGURES,
        ours=Side("Celeriac", "one code worker as start.py runs it: a sandboxed process, a record and a history", ours),
        baselines=tuple(map(side, PEERS)),
        full=1_200,
        quick=150,
        is_headline=True,
    ),
    Measurement(
        name="drain.workers",
        question="The same with four code workers, two, and one",
        figures=tuple(Figure(figure.unit, figure.better, (), figure.name) for figure in FIGURES),
        ours=Side("four workers", "as start.py runs them, on one server", functools.partial(ours, count=4)),
        baselines=(
            Side(TWO, "the same", functools.partial(ours, count=2)),
            Side(ONE, "the same", functools.partial(ours, count=1)),
        ),
        full=1_000,
        quick=100,
    ),
)
