"""Runs one attempt, from its claim to its end."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from app.clock import Clock, elapsed
from app.domain.errors import Unavailable
from app.domain.kinds import KINDS
from app.domain.outcome import Ending, ExecutorError, Failure, Outcome
from app.domain.times import to_rfc3339
from app.store.tasks import MAX_LOSSES, Attempt, TaskStore
from app.usecases.dispatch import Dispatcher, retry_policy
from tasks.drain import Drain
from tasks.executors import Executor
from tasks.leases.in_flight import InFlight, InFlightAttempt

logger = logging.getLogger("celeriac.tasks")

#: How often, and how far apart, a worker tries to write an attempt's end while Redis is away.
REPORT_TRIES = 600
REPORT_PAUSE_SECONDS = 0.5
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
LEASE_LOST = Failure("WorkerLostError", "the worker could not reach Redis to renew its lease and ended the attempt")


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
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._executors = executors
        self._in_flight = in_flight
        self._drain = drain
        self._lease_ms = round(lease_seconds * 1000)
        self._clock = clock

    def run(self, task_id: str, worker: str) -> str:
        """Execute the task if it is still waiting, or give it back if this worker is ending.

        Returns the status in which the attempt left its task, and the type of its error; "" if nothing was started.
        """
        if not self._drain.may_start(task_id):
            return ""
        now_ms = self._clock()
        lease_ends = elapsed() + self._lease_ms / 1000
        try:
            claimed = self._store.claim(task_id, worker, now_ms, now_ms + self._lease_ms, self._executors)
        except Unavailable as error:
            # The message is gone but the record is not: recovery sends another, or takes the claim back if it was made.
            fields = {"action": "claim_failed", "task_id": task_id, "reason": str(error)}
            logger.warning("can't reach Redis to claim the task; recovery will find it", extra=fields)
            return ""
        if claimed == "expired":
            fields = {"action": "task_expired", "task_id": task_id}
            logger.warning("the task expired before it started", extra=fields)
            return ""
        if isinstance(claimed, str):
            fields = {"action": "claim_refused", "task_id": task_id, "status": claimed}
            logger.debug("there is nothing to start for this message", extra=fields)
            return ""
        return self._run_attempt(claimed, worker, now_ms, lease_ends)

    def _run_attempt(self, attempt: Attempt, worker: str, started_ms: int, lease_ends: float) -> str:
        started = time.perf_counter()
        executor = self._executors[attempt.kind]
        with self._in_flight(attempt, executor.new_cancel(), lease_ends) as held:
            if elapsed() < lease_ends:
                outcome, ending = _execute(executor, held)
            else:  # the claim's answer was late, or this process was asleep: another worker may have begun the task
                outcome, ending = Outcome(failure=LEASE_LOST), Ending.LOST
        duration_ms = (time.perf_counter() - started) * 1000
        report = partial(self._report, attempt, outcome, ending, worker, started_ms, duration_ms)
        status = self._report_persistently(report, held)
        _log_end(attempt, outcome, status, duration_ms)
        return status if outcome.failure is None else f"{status} {outcome.failure.type}"

    def _report_persistently(self, report: Callable[[], str], held: InFlightAttempt) -> str:
        """Retry the report until Redis takes it. A late report does no harm, because Redis refuses it (fencing).

        A worker that is ending waits no longer than the lease, after which another worker may have the task. Returns
        the result of `_report`, or "superseded" if it gave up; recovery then takes the task back.
        """
        for _ in range(REPORT_TRIES):
            try:
                return report()
            except Unavailable:
                if self._drain.has_begun and elapsed() >= held.lease_ends:
                    break
                time.sleep(REPORT_PAUSE_SECONDS)
        return "superseded"

    def _report(
        self,
        attempt: Attempt,
        outcome: Outcome,
        ending: Ending,
        worker: str,
        started_ms: int,
        duration_ms: float,
    ) -> str:
        """Write the attempt's end: the task is finished or will run again. Returns the task's new status."""
        now_ms = self._clock()
        pause_ms = self._pause_ms(attempt, outcome, ending)
        if pause_ms is None:
            return self._store.finish(attempt, outcome, now_ms, duration_ms)
        due_ms = now_ms + pause_ms
        message = self._dispatcher.message(attempt.task_id, attempt.kind, attempt.priority, due_ms, now_ms)
        entry = (
            None
            if ending is Ending.RETURNED
            else _attempt_entry(attempt, outcome, worker, started_ms, now_ms, duration_ms)
        )
        return self._store.run_again(attempt, outcome, now_ms, duration_ms, due_ms, message, ending, entry=entry)

    def _pause_ms(self, attempt: Attempt, outcome: Outcome, ending: Ending) -> int | None:
        """Milliseconds until the task runs again; None if it is finished."""
        if ending is not Ending.COUNTED and attempt.spec["on_worker_lost"] == "fail":
            return None
        if ending is Ending.RETURNED:
            return 0
        if ending is Ending.LOST:
            return EXECUTOR_FAILURE_PAUSE_MS if attempt.losses + 1 < MAX_LOSSES else None
        policy = retry_policy(attempt.spec)
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


def _attempt_entry(
    attempt: Attempt, outcome: Outcome, worker: str, started_ms: int, finished_ms: int, duration_ms: float
) -> dict[str, Any]:
    """The attempt's entry in `GET /api/tasks/{id}`."""
    return {
        "attempt": attempt.number,
        "started_at": to_rfc3339(started_ms),
        "finished_at": to_rfc3339(finished_ms),
        "duration_ms": round(duration_ms, 2),
        "worker": worker,
        "error": None if outcome.failure is None else outcome.failure.as_json(),
    }


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
    """What an operator needs to know of a failure. A URL's query may hold secrets, so it is left out."""
    facts = {"task_name": attempt.name, "error": failure.type, "error_message": failure.message[:MAX_LOGGED_CHARS]}
    url = attempt.spec.get("api_url")
    if url is None:
        return facts
    return facts | {"method": attempt.spec["method"], "url": url.partition("#")[0].partition("?")[0][:MAX_LOGGED_CHARS]}
