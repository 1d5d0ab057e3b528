"""A worker ends attempts whose leases it has lost, before another worker may start them."""

from __future__ import annotations

import http.server
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from app.clock import elapsed, system_clock
from app.domain.outcome import Outcome
from app.domain.status import Kind, Status
from app.store.store import Store
from app.store.tasks import Attempt, Hold, TaskStore
from app.usecases.dispatch import Dispatcher
from app.usecases.recovery import CLOCK_TOLERANCE_MS
from tasks.attempts import AttemptRunner
from tasks.drain import Drain
from tasks.leases.guard import MARGIN, LeaseGuard
from tasks.leases.in_flight import InFlight
from tasks.leases.renewal import Renewal
from tests.lateness import Lateness
from tests.servers import CeleryProcess, HttpTarget, RedisServer, wait_until
from tests.worker.conftest import composed

LEASE_SECONDS = 2.0
SPEC = {
    "max_retries": 0,
    "retry_delay": 5,
    "retry_max_delay": 3600,
    "on_worker_lost": "retry",
    "priority": 5,
    "name": "n",
}


def attempt(number: int = 1) -> Attempt:
    task_id = f"0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a4{number}"
    return Attempt(task_id, number, number, Kind.CODE, 0, SPEC)


class Cancel:
    """Counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def cancel(self) -> None:
        self.count += 1


def test_an_attempt_is_ended_a_margin_before_its_lease_is_over_and_once() -> None:
    running, old, new = InFlight(), Cancel(), Cancel()
    guard = LeaseGuard(running, lease_seconds=16)
    assert guard._margin_seconds == 16 * MARGIN == 2
    with running(attempt(1), old, lease_ends=100) as held, running(attempt(2), new, lease_ends=100) as renewed:
        assert guard.check(97.9) == 0
        running.renewed([renewed], lease_ends=110)
        assert guard.check(98.1) == 1
        assert (old.count, held.lease_is_lost, new.count, renewed.lease_is_lost) == (1, True, 0, False)
        assert guard.check(98.2) == 0, "each attempt is ended once"


class Executor:
    """Returns a stopped outcome if it was cancelled before it started, or else a success."""

    def new_cancel(self) -> Cancel:
        return Cancel()

    def __init__(self) -> None:
        self.calls = 0

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        self.calls += 1
        return Outcome(stopped=True) if cancel.count else Outcome(result_json="1")


class DrainNotBegun:
    """The drain of a worker that keeps running."""

    has_begun = False

    def may_start(self, task_id: str) -> bool:
        return True


class LateStore:
    """A store that answers a claim after the granted lease is over."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, Outcome, str]] = []
        self.holds: list[Hold] = []

    def renew(self, *_: Any) -> list[Hold]:
        return self.holds

    def claim(self, task_id: str, *_: Any) -> Attempt:
        time.sleep(0.02)
        return attempt()

    def finish(self, attempt: Attempt, outcome: Outcome, *_: Any, wanted: None) -> str:
        self.reported.append(("finish", outcome, ""))
        return "succeeded"

    def run_again(self, attempt: Attempt, outcome: Outcome, *more: Any, wanted: None, entry: Any) -> str:
        self.reported.append(("run_again", outcome, more[-1]))
        return "waiting"


@pytest.mark.parametrize(("lease_seconds", "starts"), [(0.01, False), (15, True)])
def test_a_claim_whose_answer_comes_after_its_lease_starts_nothing(
    dispatcher: Dispatcher, lease_seconds: float, starts: bool
) -> None:
    store = LateStore()
    executor = Executor()
    runner = AttemptRunner(
        cast(TaskStore, store),
        dispatcher,
        {Kind.CODE: executor},
        InFlight(),
        cast(Drain, DrainNotBegun()),
        lease_seconds,
        system_clock,
    )
    runner.run(attempt().task_id, "one@test")
    assert executor.calls == starts
    ((how, outcome, ending),) = store.reported
    assert (how, ending) == (("finish", "") if starts else ("run_again", "lost"))
    assert outcome.stopped is False, "nobody asked to stop it: it runs again"


@pytest.mark.parametrize(
    ("hold", "how", "ending", "is_stopped"),
    [(Hold.LOST, "run_again", "lost", False), (Hold.STOPPING, "finish", "", True), (Hold.RENEWED, "finish", "", False)],
)
def test_an_attempt_that_its_worker_no_longer_holds_is_lost_and_not_stopped(
    dispatcher: Dispatcher, hold: Hold, how: str, ending: str, is_stopped: bool
) -> None:
    """Nobody has asked to stop it. Its task may be queued, as after a failover that forgot its claim."""
    store, running = LateStore(), InFlight()
    renewal = Renewal(cast(TaskStore, store), running, 15, system_clock)

    class Renews(Executor):
        def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
            renewal._renew(elapsed())
            return super().execute(attempt, cancel)

    store.holds = [hold]
    drain = cast(Drain, DrainNotBegun())
    runner = AttemptRunner(cast(TaskStore, store), dispatcher, {Kind.CODE: Renews()}, running, drain, 15, system_clock)
    runner.run(attempt().task_id, "one@test")
    ((reported, outcome, as_what),) = store.reported
    assert (reported, as_what, outcome.stopped) == (how, ending, is_stopped)


# --- real processes ----------------------------------------------------------------------------------


class Target(HttpTarget):
    """Never answers; records when each call began and when its caller hung up."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.begun: list[float] = []
        self.ended: list[float] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Target

    def do_GET(self) -> None:
        self.server.begun.append(time.monotonic())
        connection: socket.socket = self.connection
        select.select([connection], [], [], 60)
        self.server.ended.append(time.monotonic())
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    with Target().serving() as server:
        yield server


def test_while_redis_hangs_an_attempt_ends_before_another_may_begin(
    own_server: RedisServer, target: Target, tmp_path: Path
) -> None:
    store = Store.at(own_server.url)
    service = composed(store).tasks
    settings = {"LEASE_SECONDS": str(LEASE_SECONDS), "API_CONCURRENCY": "2", "CODE_CONCURRENCY": "1"}
    workers = [
        CeleryProcess(tmp_path / name, own_server.url, "worker", "-n", f"{name}@test", "--loglevel=info", **settings)
        for name in ("one", "two")
    ]
    try:
        for worker in workers:
            worker.wait_for("worker ready")
        task = service.create({"name": "n", "api_url": target.url, "timeout": 60})
        wait_until(lambda: target.begun, 10, "the first attempt")
        with Lateness() as late:
            own_server.send_signal(signal.SIGSTOP)
            wait_until(lambda: target.ended, 15, "the end of the first attempt, Redis still hanging")
        assert late.taken_seconds < LEASE_SECONDS + CLOCK_TOLERANCE_MS / 1000
        assert len(target.begun) == 1
        own_server.send_signal(signal.SIGCONT)
        wait_until(lambda: len(target.begun) == 2, 15, "the second attempt")
        assert target.ended[0] < target.begun[1], "no two attempts at once"
        lost = service.get(task.id)
        assert [entry["error"]["type"] for entry in lost.attempts] == ["WorkerLostError"]
        assert service.stop(task.id).status is Status.STOPPED
    finally:
        for worker in workers:
            worker.kill()
        store.close()


def test_a_worker_that_wakes_up_ends_the_attempts_that_it_has_lost(
    own_server: RedisServer, target: Target, tmp_path: Path
) -> None:
    store = Store.at(own_server.url)
    service = composed(store).tasks
    settings = {"API_CONCURRENCY": "2", "CODE_CONCURRENCY": "1"}
    workers: list[CeleryProcess] = []

    def start(name: str, lease_seconds: float) -> CeleryProcess:
        words = ("worker", "-n", f"{name}@test", "--loglevel=info")
        own = {**settings, "LEASE_SECONDS": str(lease_seconds)}
        workers.append(CeleryProcess(tmp_path / name, own_server.url, *words, **own))
        workers[-1].wait_for("worker ready")
        return workers[-1]

    try:
        sleeper = start("sleeper", LEASE_SECONDS)
        task = service.create({"name": "n", "api_url": target.url, "timeout": 60})
        wait_until(lambda: target.begun, 10, "the first attempt")
        sleeper.signal(signal.SIGSTOP)
        start("heir", 15.0)
        wait_until(lambda: len(target.begun) == 2, LEASE_SECONDS + 10, "the second attempt")
        sleeper.signal(signal.SIGCONT)
        wait_until(lambda: target.ended, 15, "the end of the first attempt")
        sleeper.wait_for("attempt ended after this worker had lost the task")
        running = service.get(task.id)
        assert (running.status, running.worker, running.attempt) == (Status.RUNNING, "heir@test", 2)
        assert [(entry["worker"], entry["error"]["type"]) for entry in running.attempts] == [
            ("sleeper@test", "WorkerLostError")
        ]
        assert len(target.ended) == 1, "the second attempt goes on"
        assert service.stop(task.id).status is Status.STOPPED
    finally:
        for worker in workers:
            worker.signal(signal.SIGCONT)
            worker.kill()
        store.close()
