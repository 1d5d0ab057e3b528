"""How late a delayed task starts, with nothing else pending and with very many tasks that wait for later."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.spec import parse_task
from app.domain.status import Status, TaskType
from app.messaging.encoder import MessageEncoder
from app.store.store import Store
from app.usecases.dispatch import Dispatcher
from benchmarks.fills import schedules_and_delays
from benchmarks.made import NO_OP, count_in, store_at, tasks_of, wait_for
from benchmarks.measurement import Better, By, Figure, Measurement, Round, Side, at_most
from benchmarks.processes import folder
from benchmarks.series import percentile
from benchmarks.stock import stocked_server
from benchmarks.workers import beat, wait_until_it_runs, worker

HORIZON_SECONDS = 1
SETTINGS = {"COUNTDOWN_HORIZON": str(HORIZON_SECONDS)}
#: Beyond the horizon, so that the tasks wait in Redis among the others and beat promotes them.
AHEAD_MS, STEP_MS = 1_200, 20
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks that wait for much later, and tasks of a round."""

    pending: int
    tasks: int


@contextlib.contextmanager
def late(size: Size, *, divisor: int) -> Iterator[Round]:
    """A worker and a beat on a server with so many delayed tasks, or a part of them."""
    count = size.pending // divisor if divisor else 0
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(folder())
        url = stack.enter_context(stocked_server(path, schedules_and_delays, count))
        store = stack.enter_context(store_at(url))
        stack.enter_context(worker(url, path, settings=SETTINGS))
        stack.enter_context(beat(url, path, SETTINGS))
        wait_until_it_runs(store)
        yield lambda: _round(store, size.tasks)


def _round(store: Store, tasks: int) -> dict[str, float]:
    before = count_in(store, Status.SUCCEEDED)
    now_ms = system_clock()
    spec = parse_task(dict(NO_OP), now_ms, lambda _: [])
    dispatcher = Dispatcher(MessageEncoder(store.keys), HORIZON_SECONDS)
    due = (now_ms + AHEAD_MS + number * STEP_MS for number in range(tasks))
    made = [dispatcher.from_spec(spec, new_id(now_ms), TaskType.DELAYED, due_ms, now_ms) for due_ms in due]
    store.tasks.create(made, now_ms)
    wait_for(store, before + tasks, PATIENCE_SECONDS)
    taken = [(task.started_ms or 0) - task.due_ms for task in tasks_of(store, limit=tasks)]
    return {"p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99)}


NONE, TENTH = "none pending", "a tenth pending"
SETUP = f"one code worker and one beat, COUNTDOWN_HORIZON={HORIZON_SECONDS}"

MEASUREMENTS = (
    Measurement(
        name="delays",
        question="From the moment that a delayed task names to its start, with 1,000,000 tasks that wait for later",
        figures=(
            Figure("ms", Better.LOWER, (at_most(5.0, NONE, By.EXCESS),), "p50"),
            Figure("ms", Better.LOWER, (at_most(50.0, NONE, By.EXCESS),), "p99"),
        ),
        ours=Side("Celeriac", f"{SETUP}; tasks that are due one each {STEP_MS} ms", functools.partial(late, divisor=1)),
        baselines=(
            Side(TENTH, SETUP, functools.partial(late, divisor=10)),
            Side(NONE, SETUP, functools.partial(late, divisor=0)),
        ),
        full=Size(1_000_000, 40),
        quick=Size(5_000, 8),
        warm_up_rounds=0,
    ),
)
