"""How an attempt counts, what its end writes, and how long its report is tried, on a real store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import redis

from app.domain.errors import Unavailable
from app.domain.kinds import QUEUES
from app.domain.outcome import Ending, ExecutorError, Failure, Outcome
from app.domain.status import Kind, Status
from app.domain.times import to_rfc3339
from app.store.store import Store
from app.store.tasks import MAX_LOSSES, Attempt, TaskStore
from app.usecases.dispatch import Dispatcher
from tasks import attempts as attempts_module
from tasks.attempts import AttemptRunner, _execute, _log_end
from tasks.drain import Drain
from tasks.leases.in_flight import InFlight, InFlightAttempt
from tasks.places import Place, Places
from tests.conftest import VirtualClock
from tests.store.making import MESSAGE, created
from tests.worker.test_leases import Cancel

NO = Failure("ValueError", "no")
SPEC = {
    "name": "n",
    "priority": 5,
    "on_worker_lost": "retry",
    "max_retries": 1,
    "retry_delay": 0,
    "retry_max_delay": 60,
}


class OnDuty:
    """The drain of a worker that keeps running, or has begun to end."""

    def __init__(self, has_begun: bool = False) -> None:
        self.has_begun = has_begun

    def may_start(self, task_id: str) -> bool:
        return True


class Runs:
    """An executor whose attempts end in one way."""

    def __init__(self, end: Callable[[], Outcome]) -> None:
        self._end = end

    def new_cancel(self) -> Cancel:
        return Cancel()

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        assert isinstance(attempt, Attempt)
        cancel.cancel()  # does no harm
        return self._end()


class Takes:
    """A thread that may start tasks of these queues, and notes those that it goes on with."""

    def __init__(self, *queues: str) -> None:
        self._queues = queues
        self.went_on_with: list[str] = []

    def place(self) -> str:
        return self._queues[0] if self._queues else ""

    def queues(self) -> Sequence[str]:
        return self._queues

    def goes_on_with(self, task_id: str) -> None:
        self.went_on_with.append(task_id)


class OftenAway:
    """A store whose Redis is away for some of the reports. Notes the numbers of the calls that were asked for."""

    def __init__(self, store: TaskStore, times_away: int) -> None:
        self._store = store
        self._times_away = times_away
        self.numbers: list[int | None] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def finish(self, *arguments: Any, wanted: Any) -> str:
        self.numbers.append(None if wanted is None else wanted.number)
        if len(self.numbers) <= self._times_away:
            raise Unavailable("TimeoutError")
        return self._store.finish(*arguments, wanted=wanted)


MakeRunner = Callable[..., AttemptRunner]


@pytest.fixture
def make_runner(store: Store, dispatcher: Dispatcher, clock: VirtualClock) -> MakeRunner:
    def make_runner(
        end: Callable[[], Outcome] = Outcome,
        tasks: Any = None,
        lease_seconds: float = 15,
        has_begun: bool = False,
        begins: bool = False,
    ) -> AttemptRunner:
        """The drain `has_begun`, or `begins` during an attempt."""
        drain = OnDuty(has_begun)

        def run() -> Outcome:
            drain.has_begun = drain.has_begun or begins
            return end()

        executors = {kind: Runs(run) for kind in Kind}
        return AttemptRunner(
            tasks or store.tasks, dispatcher, executors, InFlight(), cast(Drain, drain), lease_seconds, clock
        )

    return make_runner


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts_module, "REPORT_PAUSE_SECONDS", 0)
    monkeypatch.setattr(attempts_module, "REPORT_TRIES", 3)


# --- whether and when a task runs again -------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "ending", "fields", "losses", "expected"),
    [
        (Outcome(), Ending.COUNTED, {}, 0, None),
        (Outcome(stopped=True), Ending.COUNTED, {}, 0, None),
        (Outcome(failure=NO, stopped=True), Ending.COUNTED, {}, 0, None),
        (Outcome(failure=NO), Ending.COUNTED, {}, 0, 0),
        (Outcome(failure=NO), Ending.COUNTED, {"on_worker_lost": "fail"}, 0, 0),
        (Outcome(failure=NO), Ending.COUNTED, {"max_retries": 0}, 0, None),
        (Outcome(failure=NO), Ending.COUNTED, {"max_retries": 0}, 1, None),
        (Outcome(failure=NO), Ending.COUNTED, {}, 1, 0),
        (Outcome(failure=NO, retryable=False), Ending.COUNTED, {}, 0, None),
        (Outcome(failure=NO, retry_after_seconds=2.5), Ending.COUNTED, {}, 0, 2_500),
        (Outcome(failure=NO, retry_after_seconds=99), Ending.COUNTED, {}, 0, 60_000),
        (Outcome(failure=NO), Ending.RETURNED, {}, 0, 0),
        (Outcome(failure=NO, retry_after_seconds=5), Ending.RETURNED, {}, 0, 0),
        (Outcome(failure=NO), Ending.RETURNED, {"on_worker_lost": "fail"}, 0, None),
        (Outcome(failure=NO), Ending.LOST, {"on_worker_lost": "fail"}, 0, None),
        (Outcome(failure=NO), Ending.LOST, {}, MAX_LOSSES - 2, 1_000),
        (Outcome(failure=NO), Ending.LOST, {}, MAX_LOSSES - 1, None),
    ],
)
def test_the_pause_before_a_task_runs_again(
    make_runner: MakeRunner, outcome: Outcome, ending: Ending, fields: dict[str, Any], losses: int, expected: int | None
) -> None:
    attempt = Attempt("id", 1 + losses, 1, Kind.CODE, losses, {**SPEC, **fields})
    assert make_runner()._pause_ms(attempt, outcome, ending) == expected


def test_the_pause_is_a_random_part_of_the_backoff(make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.25)
    attempt = Attempt("id", 2, 1, Kind.CODE, 0, {**SPEC, "max_retries": 2, "retry_delay": 8})
    assert make_runner()._pause_ms(attempt, Outcome(failure=NO), Ending.COUNTED) == 4_000, "a quarter of 16 s"


def test_a_task_waits_for_its_retry(store: Store, make_runner: MakeRunner, clock: VirtualClock) -> None:
    task_id = created(store, clock(), max_retries=1, retry_delay=0)
    end = Outcome(failure=NO, retry_after_seconds=2.5)
    assert make_runner(lambda: end).run(task_id, "one@test") == "waiting ValueError"
    task = store.tasks.get(task_id)
    assert task is not None
    assert task.due_ms == clock() + 2_500


@pytest.mark.parametrize(
    ("failure", "status", "action"),
    [
        (attempts_module.GIVEN_BACK, "queued", "task_given_back"),
        (attempts_module.GIVEN_BACK, "failed", "task_failed"),
        (NO, "queued", "task_retried"),
        (NO, "waiting", "task_retried"),
        (NO, "superseded", "attempt_fenced"),
        (NO, "", "attempt_fenced"),
        (None, "succeeded", "task_succeeded"),
        (None, "stopped", "task_stopped"),
    ],
)
def test_the_log_calls_each_end_by_its_name(
    caplog: pytest.LogCaptureFixture, failure: Failure | None, status: str, action: str
) -> None:
    caplog.set_level("INFO", "celeriac.tasks")
    _log_end(Attempt("id", 1, 1, Kind.CODE, 0, SPEC), Outcome(failure=failure), status, 1.25)
    (record,) = caplog.records
    assert (vars(record)["action"], vars(record)["duration_ms"]) == (action, 1.2)


@pytest.mark.parametrize(
    ("is_given_back", "lease_is_lost", "stopped", "expected"),
    [
        (False, False, True, (None, Ending.COUNTED)),
        (True, False, True, (attempts_module.GIVEN_BACK, Ending.RETURNED)),
        (False, True, True, (attempts_module.LEASE_LOST, Ending.LOST)),
        (True, False, False, (None, Ending.COUNTED)),  # it came to its end before it was stopped
        (False, True, False, (None, Ending.COUNTED)),
    ],
)
def test_a_stop_counts_by_its_cause(
    is_given_back: bool, lease_is_lost: bool, stopped: bool, expected: tuple[Failure | None, Ending]
) -> None:
    attempt = Attempt("id", 1, 1, Kind.CODE, 0, SPEC)
    held = InFlightAttempt(attempt, Cancel(), 0.0, is_given_back, lease_is_lost)
    outcome, ending = _execute(cast(Any, Runs(lambda: Outcome(stopped=stopped))), held)
    assert (outcome.failure, ending) == expected
    assert outcome.stopped == (stopped and ending is Ending.COUNTED)


@pytest.mark.parametrize("name", ["GIVEN_BACK", "COULD_NOT_RUN", "CALL_BROKE_OFF", "LEASE_LOST"])
def test_a_failure_of_the_service_is_that_of_a_lost_worker(name: str) -> None:
    failure = getattr(attempts_module, name)
    assert failure.type == "WorkerLostError"
    assert failure.message.startswith("the worker ")


# --- what the end of an attempt writes --------------------------------------------------------------


def test_a_retried_attempt_is_told_with_all_its_facts(
    store: Store, make_runner: MakeRunner, clock: VirtualClock
) -> None:
    task_id, begun_ms = created(store, clock(), max_retries=1, retry_delay=0), clock()

    def fail() -> Outcome:
        clock.advance(30)
        return Outcome(failure=NO)

    assert make_runner(fail).run(task_id, "one@test") == "queued ValueError"
    task = store.tasks.get(task_id)
    assert task is not None
    (entry,) = task.attempts
    assert entry.pop("duration_ms") >= 0
    assert entry == {
        "attempt": 1,
        "started_at": to_rfc3339(begun_ms),
        "finished_at": to_rfc3339(begun_ms + 30),
        "worker": "one@test",
        "error": NO.as_json(),
    }


def test_each_attempt_that_the_sandbox_fails_counts_as_lost(
    store: Store, make_runner: MakeRunner, clock: VirtualClock
) -> None:
    def fail() -> Outcome:
        raise ExecutorError("no child starts")

    task_id, runner = created(store, clock()), make_runner(fail)
    for _ in range(MAX_LOSSES):
        end = runner.run(task_id, "one@test")
        clock.advance(1_000)
    assert end == "failed WorkerLostError"
    task = store.tasks.get(task_id)
    assert task is not None
    assert task.history[-1].why == "WorkerLostError"
    assert store.totals.read().counters["end:code:immediate:lost:"] == MAX_LOSSES


def test_a_task_that_ended_without_a_failure_is_told_by_its_status(
    store: Store, make_runner: MakeRunner, clock: VirtualClock
) -> None:
    runner = make_runner()
    assert runner.run(created(store, clock()), "one@test") == "succeeded"
    assert runner.run("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42", "one@test") == "", "there is no such task"


def test_the_lease_is_as_long_as_it_was_set(store: Store, make_runner: MakeRunner, clock: VirtualClock) -> None:
    seen: list[list[str]] = []

    def look() -> Outcome:
        for ms in (2_500, 2_501):
            seen.append([lost.task_id for lost in store.recovery.expired_leases(clock() + ms, 10)])
        return Outcome()

    task_id = created(store, clock())
    make_runner(look, lease_seconds=2.5).run(task_id, "one@test")
    assert seen == [[], [task_id]]


def test_the_duration_is_told_in_milliseconds(store: Store, make_runner: MakeRunner, clock: VirtualClock) -> None:
    def take_a_while() -> Outcome:
        begun = time.perf_counter()
        while time.perf_counter() - begun < 0.02:
            pass
        return Outcome()

    task_id = created(store, clock())
    make_runner(take_a_while).run(task_id, "one@test")
    task = store.tasks.get(task_id)
    assert task is not None
    assert task.duration_ms is not None
    assert 20 <= task.duration_ms < 20_000


# --- a report that Redis does not take --------------------------------------------------------------


@pytest.mark.parametrize(("times_away", "status"), [(0, "succeeded"), (2, "succeeded"), (3, "superseded")])
def test_a_report_is_tried_a_bounded_number_of_times(
    store: Store, make_runner: MakeRunner, clock: VirtualClock, times_away: int, status: str
) -> None:
    away = OftenAway(store.tasks, times_away)
    assert make_runner(tasks=away).run(created(store, clock()), "one@test", Takes("celeriac.code")) == status
    assert len(away.numbers) >= min(times_away + 1, 3)
    assert len(set(away.numbers[: times_away + 1])) == 1, "it is the same call, however often it is tried"


def test_there_is_a_pause_between_the_tries(
    store: Store, make_runner: MakeRunner, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "REPORT_PAUSE_SECONDS", 0.02)
    begun = time.monotonic()
    assert make_runner(tasks=OftenAway(store.tasks, 2)).run(created(store, clock()), "one@test") == "succeeded"
    assert time.monotonic() - begun >= 0.04


@pytest.mark.parametrize(("begins", "ran_seconds", "tries"), [(False, 15, 3), (True, 14, 3), (True, 15, 1)])
def test_a_worker_that_ends_tries_no_longer_than_the_lease(
    store: Store,
    make_runner: MakeRunner,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    begins: bool,
    ran_seconds: int,
    tries: int,
) -> None:
    began_ms = clock()
    monkeypatch.setattr(attempts_module, "elapsed", lambda: (clock() - began_ms) / 1000)

    def take_time() -> Outcome:
        clock.advance(ran_seconds * 1000)
        return Outcome()

    away = OftenAway(store.tasks, 99)
    runner = make_runner(take_time, tasks=away, lease_seconds=15, begins=begins)
    assert runner.run(created(store, clock()), "one@test") == "superseded"
    assert len(away.numbers) == tries


# --- the task that follows --------------------------------------------------------------------------


def fetched(store: Store, raw: redis.Redis, now_ms: int) -> str:
    """The id of a task whose message Celery has fetched."""
    task_id = created(store, now_ms)
    assert raw.rpop(MESSAGE.queue_key)
    return task_id


def test_a_thread_goes_on_until_nothing_is_queued(
    store: Store, raw_redis: redis.Redis, make_runner: MakeRunner, clock: VirtualClock
) -> None:
    first = fetched(store, raw_redis, clock())
    others = [created(store, clock()) for _ in range(2)]
    thread = Takes("celeriac.code")
    assert make_runner().run(first, "one@test", thread) == "succeeded"
    assert thread.went_on_with == others
    assert {store.tasks.status(task_id) for task_id in (first, *others)} == {Status.SUCCEEDED}


def test_a_worker_that_ends_starts_nothing_more(
    store: Store, raw_redis: redis.Redis, make_runner: MakeRunner, clock: VirtualClock
) -> None:
    first, second = fetched(store, raw_redis, clock()), created(store, clock())
    thread = Takes("celeriac.code")
    assert make_runner(begins=True).run(first, "one@test", thread) == "succeeded"
    assert (thread.went_on_with, store.tasks.status(second)) == ([], Status.QUEUED)


def test_a_worker_that_ends_while_it_claims_a_task_runs_it(
    store: Store, make_runner: MakeRunner, clock: VirtualClock
) -> None:
    assert make_runner(has_begun=True).run(created(store, clock()), "one@test") == "succeeded"


def test_the_queue_of_the_kind_that_ran_is_asked_last(make_runner: MakeRunner, clock: VirtualClock) -> None:
    runner, thread = make_runner(lease_seconds=2.5), Takes("celeriac.code", "celeriac.api")
    for kind, expected in (
        (Kind.CODE, ["celeriac.api", "celeriac.code"]),
        (Kind.API, ["celeriac.code", "celeriac.api"]),
    ):
        attempt = Attempt("id", 1, 1, kind, 0, SPEC)
        report = attempts_module._Report(attempt, Outcome(), Ending.COUNTED, "one@test", 1.0, 7)
        assert runner._wanted(report, (), clock()) is None
        with Place(Places({}, {}), QUEUES[kind]).asking(thread.queues()) as queues:
            wanted = runner._wanted(report, queues, clock())
        assert wanted is not None
        assert (wanted.queues, wanted.number, wanted.worker) == (expected, 7, "one@test")
        assert wanted.lease_until_ms == clock() + 2_500
        again = runner._wanted(report, (), clock())
        assert again == replace(wanted, queues=()), "what it has asked for may have been done"
