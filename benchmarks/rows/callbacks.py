"""What a callback costs: the task that has it, until it is finished; and the worker that sends it."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator

import redis

from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.outcome import Outcome
from app.domain.spec import parse_task
from app.domain.status import Kind, TaskType
from app.messaging.encoder import MessageEncoder
from app.store.store import Store
from app.store.tasks import Attempt
from app.usecases.dispatch import Dispatcher
from benchmarks.draining import RATE, REDIS, WORKERS, drain_round, lengths
from benchmarks.made import HORIZON_SECONDS, NO_OP, SIGNING, store_at
from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least, at_most
from benchmarks.processes import folder, server
from benchmarks.target import target
from benchmarks.workers import OurQueue, wait_until_it_runs, worker

LEASE_MS = 60_000
PATIENCE_SECONDS = 60


class Deliveries:
    """The deliveries of a store as a queue of callbacks to one URL."""

    def __init__(self, store: Store, redis_url: str, callback_url: str) -> None:
        self._store = store
        self._client = redis.Redis.from_url(redis_url)
        self._fields = {**NO_OP, "callback_url": callback_url}

    def add(self, count: int) -> None:
        """Finish so many tasks, without a worker."""
        now_ms = system_clock()
        dispatcher = Dispatcher(MessageEncoder(self._store.keys), HORIZON_SECONDS)
        spec = parse_task(self._fields, now_ms, lambda _: [])
        for _ in range(count):
            task = dispatcher.from_spec(spec, new_id(now_ms), TaskType.IMMEDIATE, now_ms, now_ms)
            self._store.tasks.create([task], now_ms)
            attempt = self._store.tasks.claim(task.id, "benchmark", now_ms, now_ms + LEASE_MS)
            assert isinstance(attempt, Attempt)
            self._store.tasks.finish(attempt, Outcome(result_json=b"1"), now_ms, 1.0)

    def left(self) -> int:
        """How many have not been delivered."""
        return lengths(self._client, zcard=self._store.keys.delivery_index("pending"))

    def await_end(self) -> None:
        """Wait until all are delivered, so that the next round does not compete with them."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := self.left():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} callbacks are not delivered after {PATIENCE_SECONDS} s")
            time.sleep(0.02)


@contextlib.contextmanager
def drained(tasks: int, *, is_told: bool) -> Iterator[Round]:
    """No-op tasks through one code worker. A worker for API tasks, beside it and not counted, sends the callbacks."""
    with contextlib.ExitStack() as stack:
        path, target_url = stack.enter_context(folder()), stack.enter_context(target())
        url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(url))
        process = stack.enter_context(worker(url, path))
        stack.enter_context(worker(url, path, Kind.API, name="api", settings=SIGNING))
        wait_until_it_runs(store)
        queue = OurQueue(store, {**NO_OP, "callback_url": target_url} if is_told else NO_OP)
        deliveries = Deliveries(store, url, target_url)

        def run() -> dict[str, float]:
            found = drain_round([process.pid], url, queue, tasks)
            deliveries.await_end()
            return found

        yield run


@contextlib.contextmanager
def sent(tasks: int) -> Iterator[Round]:
    """Callbacks through one worker for API tasks."""
    with contextlib.ExitStack() as stack:
        path, target_url = stack.enter_context(folder()), stack.enter_context(target())
        url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(url))
        process = stack.enter_context(worker(url, path, Kind.API, settings=SIGNING))
        deliveries = Deliveries(store, url, target_url)
        deliveries.add(1)
        deliveries.await_end()
        yield lambda: drain_round([process.pid], url, deliveries, tasks)


@contextlib.contextmanager
def called(tasks: int) -> Iterator[Round]:
    """API tasks through the same worker."""
    with contextlib.ExitStack() as stack:
        path, target_url = stack.enter_context(folder()), stack.enter_context(target())
        url = stack.enter_context(server(path / "redis"))
        store = stack.enter_context(store_at(url))
        fields = {"name": "call", "api_url": target_url, "method": "POST", "data": {"type": "task.succeeded"}}
        process = stack.enter_context(worker(url, path, Kind.API))
        wait_until_it_runs(store, fields)
        queue = OurQueue(store, fields)
        yield lambda: drain_round([process.pid], url, queue, tasks)


WITHOUT, CALLS = "without a callback", "API tasks"

MEASUREMENTS = (
    Measurement(
        name="callbacks",
        question="No-op tasks with a callback until they are finished, queued before the workers may move",
        figures=(
            Figure("tasks/s", Better.HIGHER, (at_least(0.67, WITHOUT),), RATE),
            Figure("µs", Better.LOWER, (at_most(1.5, WITHOUT),), WORKERS),
            Figure("µs", Better.LOWER, (at_most(1.5, WITHOUT),), REDIS),
        ),
        ours=Side(
            "with a callback",
            "one code worker, and beside it a worker for API tasks that sends the callbacks (not in its figures)",
            functools.partial(drained, is_told=True),
        ),
        baselines=(Side(WITHOUT, "the same", functools.partial(drained, is_told=False)),),
        full=1_000,
        quick=100,
    ),
    Measurement(
        name="callbacks.sent",
        question="Callbacks sent per second to a receiver that answers at once, due before the worker may move",
        figures=(
            Figure("per second", Better.HIGHER, (), RATE),
            Figure("µs", Better.LOWER, (), WORKERS),
            Figure("µs", Better.LOWER, (), REDIS),
        ),
        ours=Side("callbacks", "one worker for API tasks as start.py runs it, signed with one secret", sent),
        baselines=(Side(CALLS, "POST, in the same worker", called),),
        full=1_000,
        quick=100,
    ),
)
