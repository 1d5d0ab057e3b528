"""A worker with a backlog takes tasks from their queues itself; Celery hands it the first one."""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import redis
from celery import Celery
from celery.worker import state
from kombu.message import Message

from app.clock import system_clock
from app.domain.errors import Unavailable
from app.domain.kinds import QUEUES
from app.domain.outcome import Outcome
from app.domain.status import Kind, Status
from app.store.messages import EXECUTE
from app.store.store import Store
from app.store.tasks import Attempt, TaskStore, Wanted
from app.usecases.dispatch import Dispatcher
from app.usecases.tasks import TaskService
from tasks import attempts
from tasks.attempts import AttemptRunner
from tasks.celery_seam.request import Request, request_of
from tasks.drain import Drain
from tasks.leases.in_flight import InFlight
from tasks.places import Places
from tests.lateness import Lateness
from tests.servers import wait_until
from tests.store.making import SPEC
from tests.worker.conftest import Start
from tests.worker.test_celery_commands import celery, code

QUICK = "def f():\n    return 1"
SLEEPS = "import time\ndef f():\n    time.sleep({})"
BACKLOG = 40
EACH_ONCE = {(Status.SUCCEEDED, 1, 2)}


def ends(service: TaskService, task_ids: Sequence[str]) -> set[tuple[Status, int, int]]:
    """Status, attempts and changes of status after the creation of tasks that run to their end."""
    tasks = [service.get(task_id, wait_seconds=30) for task_id in task_ids]
    return {(task.status, task.attempt, len(task.history) - 1) for task in tasks}


def test_a_backlog_runs_without_a_message_for_each_task(
    redis_url: str, service: TaskService, start_worker: Start
) -> None:
    quick = [service.create(code(QUICK)).id for _ in range(BACKLOG)]
    long = service.create(code(SLEEPS.format(120), priority=0, timeout=120))
    start_worker("one", "--concurrency=1")
    assert ends(service, quick) == EACH_ONCE
    wait_until(lambda: service.get(long.id).status is Status.RUNNING, 10, "a start")
    assert '"celeriac.execute": 1\n' in celery(redis_url, "inspect", "stats"), "Celery has handed over one message"
    shown = celery(redis_url, "inspect", "active")
    assert f"'id': '{long.id}'" in shown
    assert f"'args': ['{long.id}']" in shown
    assert quick[0] not in shown
    service.stop(long.id)
    wait_until(lambda: "- empty -" in celery(redis_url, "inspect", "active"), 60, "nothing runs")
    later = service.create(code(QUICK))
    assert ends(service, [later.id]) == EACH_ONCE


def test_a_consumer_that_runs_the_tasks_itself_fetches_each(
    redis_url: str, service: TaskService, start_worker: Start
) -> None:
    """Otherwise it would answer nobody while there is a backlog."""
    tasks = [service.create(code(QUICK)).id for _ in range(3)]
    start_worker("one", "--pool=solo")
    assert ends(service, tasks) == EACH_ONCE
    assert '"celeriac.execute": 3\n' in celery(redis_url, "inspect", "stats")


def test_a_worker_that_ends_leaves_its_backlog_to_others(service: TaskService, start_worker: Start) -> None:
    seconds = [0.05] * 9 + [0.5] * (BACKLOG - 9)  # the backlog lasts far longer than it takes to notice the ninth end
    tasks = [service.create(code(SLEEPS.format(each))).id for each in seconds]
    worker = start_worker("one", "--concurrency=2", SHUTDOWN_GRACE="20")
    wait_until(lambda: service.get(tasks[8]).status is Status.SUCCEEDED, 10, "a part of the backlog")
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert worker.left_nothing()
    statuses = [service.get(task_id).status for task_id in tasks]
    assert set(statuses) == {Status.SUCCEEDED, Status.QUEUED}
    assert "resent lost messages" not in worker.output
    start_worker("two", "--concurrency=8")
    assert ends(service, tasks) == EACH_ONCE


def test_a_queue_that_is_no_longer_consumed_is_left_alone(
    redis_url: str, service: TaskService, start_worker: Start
) -> None:
    start_worker("one", "--concurrency=1", "-Q", "celeriac.code")
    tasks = [service.create(code(SLEEPS.format(0.5))).id for _ in range(BACKLOG)]  # far longer than the command takes
    celery(redis_url, "control", "cancel_consumer", "celeriac.code")
    running = [task_id for task_id in tasks if service.get(task_id).status is Status.RUNNING]
    for task_id in running:
        service.get(task_id, wait_seconds=10)
    statuses = [service.get(task_id).status for task_id in tasks]
    assert set(statuses) == {Status.SUCCEEDED, Status.QUEUED}


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_monitors_hear_of_each_task_of_a_backlog(
    service: TaskService, raw_redis: redis.Redis, start: Start, start_worker: Start, pool: str
) -> None:
    monitor = start("events", "--dump", PYTHONUNBUFFERED="1")
    monitor.wait_for("starting capture")
    wait_until(raw_redis.pubsub_numpat, 30, "the monitor's subscription, before which it hears nothing")
    tasks = [service.create(code(QUICK)).id for _ in range(10)]
    start_worker("one", "-E", f"--pool={pool}", "--concurrency=2")
    assert ends(service, tasks) == EACH_ONCE
    wait_until(lambda: monitor.output.count("task succeeded") == len(tasks), 30, "the end of each attempt")


def test_a_countdown_that_is_due_comes_before_the_backlog_of_its_busy_worker(
    store: Store, raw_redis: redis.Redis, service: TaskService, start_worker: Start
) -> None:
    start_worker("one", "-Q", QUEUES[Kind.CODE], "--concurrency=1", CODE_CONCURRENCY="1")
    delayed = service.create(code(QUICK, task_type="delayed", delay_seconds=1.5))
    held = store.keys.queue(QUEUES[Kind.CODE], 4)
    wait_until(lambda: raw_redis.llen(held) == 0, 10, "the worker has fetched it")
    with Lateness() as late:
        for _ in range(80):  # eight seconds of work
            service.create(code(SLEEPS.format(0.1)))
        done = service.get(delayed.id, wait_seconds=30)
    assert (done.status, done.attempt) == (Status.SUCCEEDED, 1)
    assert (done.started_ms or 0) - done.due_ms < 1_000 + late.seconds * 1_000


def nothing(task_id: str) -> None:
    """A task's function."""


def request_for(task_id: str) -> Request:
    headers = {"id": task_id, "task": EXECUTE}
    message = Message(json.dumps([[task_id], {}, {}]), headers=headers, content_type="application/json")
    app = Celery(set_as_current=False)
    app.amqp.queues.select_add(QUEUES[Kind.CODE])
    return Request(message, app=app, task=app.task(name=EXECUTE)(nothing))


def test_a_thread_takes_nothing_while_a_countdown_that_is_due_waits_for_one() -> None:
    busy, countdown, dropped = (request_for(task_id) for task_id in ("busy", "countdown", "dropped"))
    assert busy.queues()
    countdown.wait_for_thread()
    assert busy.queues() == ()
    dropped.wait_for_thread()
    try:
        countdown.on_accepted(os.getpid(), time.monotonic())
    finally:
        state.task_ready(countdown)
    assert busy.queues() == ()
    del dropped
    gc.collect()
    assert busy.queues(), "what Celery has dropped, as after a revoke, waits no more"


def test_a_process_that_was_forked_meanwhile_takes_nothing() -> None:
    """A pool of processes forks a child at any time to replace one that has died."""
    request = request_for("a task")
    state.requests[request.id] = request
    try:
        assert request_of("a task") is request
        assert request_of("another task") is None
        child = os.fork()
        if child == 0:
            os._exit(0 if request_of("a task") is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        del state.requests[request.id]


# --- what the runner asks for ---------------------------------------------------------------------


class Asked:
    """A store that notes what is asked for. It fails at first, then grants so many attempts."""

    def __init__(self, failures: int, grants: int) -> None:
        self.asked: list[Wanted | None] = []
        self.ended: list[str] = []
        self._failures, self._grants = failures, grants

    def claim(self, task_id: str, *_: Any) -> Attempt:
        return Attempt(task_id, 1, 1, Kind.CODE, 0, SPEC)

    def finish(self, attempt: Attempt, *_: Any, wanted: Wanted | None) -> str:
        self.asked.append(wanted)
        if len(self.asked) <= self._failures:
            raise Unavailable("TimeoutError")
        self.ended.append(attempt.task_id)
        if wanted is not None and len(self.ended) <= self._grants:
            wanted.attempt = Attempt(f"task {len(self.ended)}", 1, 1, Kind.CODE, 0, SPEC)
        return "succeeded"


class Running:
    """A drain that begins after so many looks."""

    def __init__(self, looks: int = 1_000) -> None:
        self._looks = iter(range(looks))

    @property
    def has_begun(self) -> bool:
        return next(self._looks, None) is None

    def may_start(self, task_id: str) -> bool:
        return True


class Instant:
    """An executor whose attempts succeed at once."""

    def new_cancel(self) -> None:
        return None

    def execute(self, attempt: Attempt, cancel: None) -> Outcome:
        return Outcome(result_json=b"1")


class Both:
    """A thread of a worker for both queues."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def place(self) -> str:
        return QUEUES[Kind.CODE]

    def queues(self) -> Sequence[str]:
        return tuple(QUEUES.values())

    def goes_on_with(self, task_id: str) -> None:
        self.ran.append(task_id)


def ran_by(store: Asked, dispatcher: Dispatcher, drain: Running) -> list[str]:
    executors: Any = {Kind.CODE: Instant()}
    runner = AttemptRunner(
        cast(TaskStore, store), dispatcher, executors, InFlight(), cast(Drain, drain), 15, system_clock
    )
    thread = Both()
    assert runner.run("first", "one@test", thread) == "succeeded"
    assert store.ended == ["first", *thread.ran]
    return thread.ran


def test_a_thread_goes_on_while_there_are_tasks(dispatcher: Dispatcher) -> None:
    store = Asked(failures=0, grants=3)
    assert ran_by(store, dispatcher, Running()) == ["task 1", "task 2", "task 3"]
    calls = [(asked.name, asked.number) for asked in store.asked if asked is not None]
    assert len(set(calls)) == 4, "each call is another one"
    assert len({name for name, _ in calls}) == 1, "of one thread"


def test_it_asks_for_the_kind_that_has_just_run_last(dispatcher: Dispatcher) -> None:
    """Otherwise a long queue of one kind would keep the threads of a worker of both from the other."""
    store = Asked(failures=0, grants=0)
    ran_by(store, dispatcher, Running())
    (asked,) = store.asked
    assert asked is not None
    assert list(asked.queues) == [QUEUES[Kind.API], QUEUES[Kind.CODE]]


class AskedForCalls(Asked):
    """It grants calls, as an earlier call may have, whose reply was lost."""

    def finish(self, attempt: Attempt, *arguments: Any, wanted: Wanted | None) -> str:
        status = super().finish(attempt, *arguments, wanted=wanted)
        if wanted is not None and wanted.attempt is not None:
            wanted.attempt = replace(wanted.attempt, kind=Kind.API)
        return status


class Looks(Instant):
    """An executor that notes which queues are full while it runs."""

    def __init__(self, places: Places) -> None:
        self.seen: list[list[str]] = []
        self._places = places

    def execute(self, attempt: Attempt, cancel: None) -> Outcome:
        self.seen.append(list(self._places.full()))
        return super().execute(attempt, cancel)


class Call(Both):
    """The same, whose message came from the queue of calls; the kind of the task was changed since."""

    def place(self) -> str:
        return QUEUES[Kind.API]


def test_a_thread_has_the_place_of_the_task_that_it_runs(dispatcher: Dispatcher) -> None:
    places = Places(dict.fromkeys(QUEUES.values(), 1), {})
    looks = Looks(places)
    executors: Any = dict.fromkeys(Kind, looks)
    store, drain = cast(TaskStore, AskedForCalls(failures=0, grants=1)), cast(Drain, Running())
    runner = AttemptRunner(store, dispatcher, executors, InFlight(), drain, 15, system_clock, places=places)
    assert runner.run("first", "one@test", Call()) == "succeeded"
    assert looks.seen == [[QUEUES[Kind.CODE]], [QUEUES[Kind.API]]]
    assert places.full() == []


def test_a_call_that_is_repeated_names_itself_the_same(dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REPORT_PAUSE_SECONDS", 0.01)
    store = Asked(failures=2, grants=0)
    ran_by(store, dispatcher, Running())
    assert len({(asked.name, asked.number) for asked in store.asked if asked is not None}) == 1
    leases = [asked.lease_until_ms for asked in store.asked if asked is not None]
    assert len(leases) == 3
    assert all(later > earlier for earlier, later in itertools.pairwise(leases)), "the lease begins with its call"


def test_a_worker_that_ends_asks_for_nothing(dispatcher: Dispatcher) -> None:
    store = Asked(failures=0, grants=10)
    assert ran_by(store, dispatcher, Running(looks=2)) == ["task 1", "task 2"]
    assert store.asked[-1] is None


class Drains(Running):
    """A drain that begins when the test says so."""

    has_begun = False


class ReplyLost(Asked):
    """The first call has started a task, and its reply was lost. `meanwhile` is what happens before the next."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(failures=1, grants=0)
        self._meanwhile, self._next = meanwhile, Attempt("next", 1, 1, Kind.CODE, 0, SPEC)

    def finish(self, attempt: Attempt, *arguments: Any, wanted: Wanted | None) -> str:
        if not self.asked:
            self._meanwhile()
        status = super().finish(attempt, *arguments, wanted=wanted)
        if attempt.task_id == "first" and wanted is not None:
            wanted.attempt = self._next
        return status


def run_first(store: ReplyLost, dispatcher: Dispatcher, drain: Running, places: Places | None = None) -> Both:
    executors: Any = {Kind.CODE: Instant()}
    runner = AttemptRunner(
        cast(TaskStore, store), dispatcher, executors, InFlight(), cast(Drain, drain), 15, system_clock, places=places
    )
    thread = Both()
    assert runner.run("first", "one@test", thread) == "succeeded"
    once, again = store.asked[:2]
    assert once is not None
    assert again is not None
    assert (again.name, again.number, list(again.queues)) == (once.name, once.number, [])
    return thread


def test_a_task_that_a_worker_has_started_unawares_runs_although_it_ends(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would be running, and nobody would run it until its lease expired."""
    monkeypatch.setattr(attempts, "REPORT_PAUSE_SECONDS", 0.0)
    drain = Drains()
    store = ReplyLost(lambda: setattr(drain, "has_begun", True))
    thread = run_first(store, dispatcher, drain)
    assert (thread.ran, store.ended) == (["next"], ["first", "next"])


def test_a_task_that_a_thread_has_started_unawares_runs_although_another_waits_for_its_place(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "REPORT_PAUSE_SECONDS", 0.0)
    places = Places(dict.fromkeys(QUEUES.values(), 1), {})
    places.take(QUEUES[Kind.API], "a call")
    store = ReplyLost(lambda: monkeypatch.setattr(places, "is_awaited", lambda _: True))
    thread = run_first(store, dispatcher, Drains(), places)
    assert (thread.ran, store.ended) == (["next"], ["first", "next"])
