"""Runs one attempt, from its claim to its end."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from app.clock import Clock, elapsed
from app.domain.errors import Unavailable, reason_of
from app.domain.kinds import KINDS, QUEUES
from app.domain.outcome import Ending, ExecutorError, Failure, Outcome
from app.domain.retry import RetryPolicy
from app.store.arguments import new_call
from app.store.tasks import MAX_LOSSES, Attempt, TaskStore, Wanted
from app.usecases.dispatch import Dispatcher
from app.usecases.task_facts import attempt_facts
from tasks.drain import Drain
from tasks.executors import Executor
from tasks.http import shown_url
from tasks.leases.in_flight import InFlight, InFlightAttempt
from tasks.places import Place, Places
from tasks.traces import AttemptTraces, Untraced

logger = logging.getLogger("celeriac.tasks")

#: How often, and how far apart, a worker tries to write an attempt's end while Redis is away.
REPORT_TRIES = 600
REPORT_PAUSE_SECONDS = 0.5
#: The share of the lease during which a claim that got no reply is repeated.
CLAIM_SHARE = 1 / 3
#: How much of a message or URL a line of the log shows.
MAX_LOGGED_CHARS = 500
#: Pause before the next attempt when the last one failed on our side.
EXECUTOR_FAILURE_PAUSE_MS = 1_000
#: The errors of a task that may not run again.
GIVEN_BACK = Failure("WorkerLostError", "the worker was shut down while it was running the task")
COULD_NOT_RUN = Failure("WorkerLostError", "the worker could not run the task")
CALL_BROKE_OFF = Failure(
    "WorkerLostError", "the worker failed during the call, which may have reached the target: an error of the service"
)
LEASE_LOST = Failure("WorkerLostError", "the worker lost its lease of the task and ended the attempt")


class Thread(Protocol):
    """The thread that runs attempts, as Celery sees it: it works on one message."""

    def place(self) -> str:
        """The queue of its message; "" if it needs no place, since others know nothing of this thread."""

    def queues(self) -> Sequence[str]:
        """The queues of which it may start tasks whose messages Celery has not fetched; empty for none."""

    def goes_on_with(self, task_id: str) -> None:
        """Note that it runs this task now."""


class OneTask:
    """A thread that runs one task for each message."""

    def place(self) -> str:
        return ""

    def queues(self) -> Sequence[str]:
        return ()

    def goes_on_with(self, task_id: str) -> None:
        """It never does."""


ONE_TASK = OneTask()


class _Calls(threading.local):
    """Identifies the calls by which this thread asks for its next task."""

    def __init__(self) -> None:
        self.name = new_call()
        self.numbers = itertools.count()


@dataclass(slots=True)
class _Started:
    """An attempt that this thread runs now. `lease_ends`: by `elapsed` of app/clock.py."""

    attempt: Attempt
    lease_ends: float


@dataclass(slots=True)
class _Report:
    """The end of an attempt.

    number: of the call that writes it, among those of this thread.
    has_asked: a call that may have arrived has asked for the next task.
    """

    attempt: Attempt
    outcome: Outcome
    ending: Ending
    worker: str
    duration_ms: float
    number: int
    has_asked: bool = False


class AttemptRunner:
    """Claims tasks by compare-and-set, executes them, and writes their outcomes. Thread-safe."""

    def __init__(
        self,
        store: TaskStore,
        dispatcher: Dispatcher,
        executors: Mapping[str, Executor],
        in_flight: InFlight,
        drain: Drain,
        lease_seconds: float,
        clock: Clock,
        traces: AttemptTraces | None = None,
        places: Places | None = None,
    ) -> None:
        self._traces: AttemptTraces = Untraced() if traces is None else traces
        self._store = store
        self._dispatcher = dispatcher
        self._executors = executors
        self._in_flight = in_flight
        self._drain = drain
        self._places = Places({}, {}) if places is None else places
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._calls = _Calls()

    def run(self, task_id: str, worker: str, thread: Thread = ONE_TASK) -> str:
        """Execute the task if it is still waiting, or give it back if this worker is ending, or has no place for it.
        Then go on with those tasks that are queued, and that this thread may start.

        Returns the status in which the first attempt left its task, and the type of its error; "" if nothing was
        started.
        """
        if not self._drain.may_start(task_id):
            return ""
        place = Place(self._places, thread.place())
        if not place.take(task_id):
            self._drain.give_back(task_id)
            return ""
        try:
            if not self._drain.may_start(task_id):  # it may have waited for the place
                return ""
            return self._run_all(task_id, worker, thread, place)
        finally:
            place.leave()

    def _run_all(self, task_id: str, worker: str, thread: Thread, place: Place) -> str:
        started = self._claim(task_id, worker)
        if started is None:
            return ""
        place.go_to(QUEUES[started.attempt.kind])
        end, started = self._run_attempt(started, worker, thread, place)
        while started is not None:
            thread.goes_on_with(started.attempt.task_id)
            _, started = self._run_attempt(started, worker, thread, place)
        return end

    def _claim(self, task_id: str, worker: str) -> _Started | None:
        lease_ends = elapsed() + self._lease_seconds
        claimed = self._claim_persistently(task_id, worker)
        if claimed is None:
            return None
        if claimed == "expired":
            fields = {"action": "task_expired", "task_id": task_id}
            logger.warning("the task expired before it started", extra=fields)
            return None
        if isinstance(claimed, str):
            fields = {"action": "claim_refused", "task_id": task_id, "status": claimed}
            logger.debug("there is nothing to start for this message", extra=fields)
            return None
        return _Started(claimed, lease_ends)

    def _claim_persistently(self, task_id: str, worker: str) -> Attempt | str | None:
        """What Redis says to the claim; None if it can't be reached.

        A claim whose reply was lost may have been made, and would count as lost with its worker. So it is repeated
        under its name, as long as most of the lease is left. After that, the message is gone but the record is not:
        recovery sends another, or takes the claim back.
        """
        began, now_ms, name, is_logged = elapsed(), self._clock(), new_call(), False
        lease_until_ms = self._lease_until_ms(now_ms)
        while True:
            try:
                return self._store.claim(task_id, worker, now_ms, lease_until_ms, self._executors, name)
            except Unavailable as error:
                if not is_logged:
                    fields = {"action": "claim_failed", "task_id": task_id, "reason": reason_of(error)}
                    logger.warning("can't reach Redis to claim the task; trying again", extra=fields)
                is_logged = True
            if self._drain.has_begun or elapsed() - began >= self._lease_seconds * CLAIM_SHARE:
                return None
            time.sleep(REPORT_PAUSE_SECONDS)

    def _lease_until_ms(self, now_ms: int) -> int:
        return now_ms + round(self._lease_seconds * 1000)

    def _run_attempt(self, started: _Started, worker: str, thread: Thread, place: Place) -> tuple[str, _Started | None]:
        """Run the attempt and write its end. Returns that end, and the attempt that follows it in this thread."""
        with self._traces.attempt(started.attempt) as traced:
            outcome, status, following = self._run_and_report(started, worker, thread, place)
            traced.ended(outcome, status)
        return (status if outcome.failure is None else f"{status} {outcome.failure.type}"), following

    def _run_and_report(
        self, started: _Started, worker: str, thread: Thread, place: Place
    ) -> tuple[Outcome, str, _Started | None]:
        attempt = started.attempt
        began = time.perf_counter()
        executor = self._executors[attempt.kind]
        with self._in_flight(attempt, executor.new_cancel(), started.lease_ends) as held:
            if elapsed() < started.lease_ends:
                outcome, ending = _execute(executor, held)
            else:  # the claim's answer was late, or this process was asleep: another worker may have begun the task
                outcome, ending = Outcome(failure=LEASE_LOST), Ending.LOST
        duration_ms = (time.perf_counter() - began) * 1000
        report = _Report(attempt, outcome, ending, worker, duration_ms, next(self._calls.numbers))
        status, following = self._report_persistently(report, held, thread, place)
        _log_end(attempt, outcome, status, duration_ms)
        return outcome, status, following

    def _report_persistently(
        self, report: _Report, held: InFlightAttempt, thread: Thread, place: Place
    ) -> tuple[str, _Started | None]:
        """Retry the report until Redis takes it. A late report does no harm, because Redis refuses it (fencing).

        A worker that is ending waits no longer than the lease, after which another worker may have the task. Returns
        the result of `_report`, or "superseded" if it gave up; recovery then takes the task back.
        """
        for _ in range(REPORT_TRIES):
            try:
                return self._report(report, thread, place)
            except Unavailable:
                if self._drain.has_begun and elapsed() >= held.lease_ends:
                    break
                time.sleep(REPORT_PAUSE_SECONDS)
        return "superseded", None

    def _report(self, report: _Report, thread: Thread, place: Place) -> tuple[str, _Started | None]:
        """Write the attempt's end: the task is finished or will run again. The same call starts the next task.

        Returns the task's new status, and the next attempt.
        """
        now_ms = self._clock()
        lease_ends = elapsed() + self._lease_seconds  # from before the call, which may take long
        with place.asking(thread.queues()) as queues:
            wanted = self._wanted(report, queues, now_ms)
            status = self._end(report, now_ms, wanted)
            following = None if wanted is None else wanted.attempt
            if following is not None:
                place.go_to(QUEUES[following.kind])
        return status, None if following is None else _Started(following, lease_ends)

    def _wanted(self, report: _Report, queues: Sequence[str], now_ms: int) -> Wanted | None:
        """What to ask for with this report; None for nothing, because the worker is ending, or may not.

        If an earlier call has asked, and its reply was lost, this one asks for what that call has started.
        """
        if self._drain.has_begun:
            queues = ()
        if not queues and not report.has_asked:
            return None
        report.has_asked = True
        return Wanted(
            name=self._calls.name,
            number=report.number,
            worker=report.worker,
            queues=queues,
            kinds=self._executors,
            lease_until_ms=self._lease_until_ms(now_ms),
        )

    def _end(self, report: _Report, now_ms: int, wanted: Wanted | None) -> str:
        attempt, outcome, ending, duration_ms = report.attempt, report.outcome, report.ending, report.duration_ms
        pause_ms = self._pause_ms(attempt, outcome, ending)
        if pause_ms is None:
            if ending is Ending.RETURNED:  # it can't be: its task may not run again
                ending = Ending.LOST
            return self._store.finish(attempt, outcome, now_ms, duration_ms, ending, wanted=wanted)
        due_ms = now_ms + pause_ms
        message = self._dispatcher.message(attempt.task_id, attempt.kind, attempt.priority, due_ms, now_ms)
        entry = None if ending is Ending.RETURNED else _attempt_entry(report, now_ms)
        return self._store.run_again(
            attempt, outcome, now_ms, duration_ms, due_ms, message, ending, wanted=wanted, entry=entry
        )

    def _pause_ms(self, attempt: Attempt, outcome: Outcome, ending: Ending) -> int | None:
        """Milliseconds until the task runs again; None if it is finished."""
        if ending is not Ending.COUNTED and attempt.spec["on_worker_lost"] == "fail":
            return None
        if ending is Ending.RETURNED:
            return 0
        if ending is Ending.LOST:
            return EXECUTOR_FAILURE_PAUSE_MS if attempt.losses + 1 < MAX_LOSSES else None
        policy = RetryPolicy.of(attempt.spec)
        if outcome.stopped or outcome.failure is None or not outcome.retryable:
            return None
        completed = attempt.number - attempt.losses  # lost attempts use up no retry
        if not policy.allows(completed):
            return None
        return round(policy.pause_seconds(completed, random.random(), outcome.retry_after_seconds) * 1000)


def _execute(executor: Executor, held: InFlightAttempt) -> tuple[Outcome, Ending]:
    """Run the attempt to its end. Returns its outcome and how the attempt counts."""
    _log("task started", "task_started", held.attempt)
    try:
        outcome = executor.execute(held.attempt, held.cancel)
    except ExecutorError as error:
        return _executor_failure(error), Ending.LOST
    except Exception:
        return _defect(held.attempt)
    if outcome.stopped and held.is_given_back:
        return Outcome(failure=GIVEN_BACK), Ending.RETURNED
    if outcome.stopped and held.lease_is_lost:
        return Outcome(failure=LEASE_LOST), Ending.LOST
    return outcome, Ending.COUNTED


def _executor_failure(error: ExecutorError) -> Outcome:
    logger.error("the sandbox failed", extra={"action": "executor_failed", "reason": str(error)})
    return Outcome(failure=replace(COULD_NOT_RUN, message=f"{COULD_NOT_RUN.message}: {error}"))


def _defect(attempt: Attempt) -> tuple[Outcome, Ending]:
    """End an attempt whose executor raised an unexpected error: a bug of ours.

    A request that may have been sent is repeated only within the task's `max_retries`.
    """
    fields = {"action": "executor_defect", "task_id": attempt.task_id, "attempt": attempt.number, "kind": attempt.kind}
    logger.exception("unexpected error in the executor", extra=fields)
    if KINDS[attempt.kind].is_repeatable:
        return Outcome(failure=COULD_NOT_RUN), Ending.LOST
    return Outcome(failure=CALL_BROKE_OFF), Ending.COUNTED


def _attempt_entry(report: _Report, finished_ms: int) -> dict[str, Any]:
    """The attempt's entry in `GET /api/tasks/{id}`."""
    failure = report.outcome.failure
    return attempt_facts(
        number=report.attempt.number,
        started_ms=report.attempt.started_ms,
        finished_ms=finished_ms,
        duration_ms=round(report.duration_ms, 2),
        worker=report.worker,
        error=None if failure is None else failure.as_json(),
    )


def _log(message: str, action: str, attempt: Attempt, level: int = logging.INFO, **fields: Any) -> None:
    logger.log(
        level,
        message,
        extra={
            "action": action,
            "task_id": attempt.task_id,
            "attempt": attempt.number,
            "kind": attempt.kind,
            **fields,
        },
    )


def _log_end(attempt: Attempt, outcome: Outcome, status: str, duration_ms: float) -> None:
    fields: dict[str, Any] = {"duration_ms": round(duration_ms, 1)}
    if outcome.failure is not None:
        fields |= _failure_facts(attempt, outcome.failure)
    if status == "queued" and outcome.failure is GIVEN_BACK:
        _log("task given back to its queue", "task_given_back", attempt, duration_ms=round(duration_ms, 1))
    elif status in ("waiting", "queued"):
        _log("attempt ended; the task will run again", "task_retried", attempt, **fields)
    elif status in ("", "superseded"):
        _log("attempt ended after this worker had lost the task", "attempt_fenced", attempt, **fields)
    else:
        level = logging.WARNING if status == "failed" else logging.INFO
        _log(f"task {status}", f"task_{status}", attempt, level, **fields)


def _failure_facts(attempt: Attempt, failure: Failure) -> dict[str, Any]:
    """What an operator needs to know of a failure."""
    facts = {"task_name": attempt.name, "error": failure.type, "error_message": failure.message[:MAX_LOGGED_CHARS]}
    url = attempt.spec.get("api_url")
    if url is None:
        return facts
    return facts | {"method": attempt.spec["method"], "url": shown_url(url)}
