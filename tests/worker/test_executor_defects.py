"""An unexpected error in an executor ends the attempt at once, and never makes it send a request twice unasked."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from app.clock import system_clock
from app.domain.outcome import Ending, ExecutorError, Outcome
from app.domain.status import Kind
from app.store.tasks import Attempt, TaskStore
from app.usecases.dispatch import Dispatcher
from tasks.attempts import AttemptRunner
from tasks.drain import Drain
from tasks.executors.api import ApiExecutor
from tasks.http import AddressPolicy, HttpClient, Request, Response
from tasks.leases.in_flight import InFlight
from tests.http.target import OK, Target, answering
from tests.worker.test_leases import Cancel, DrainNotBegun

SPEC = {
    "name": "n",
    "timeout": 5,
    "priority": 5,
    "on_worker_lost": "retry",
    "method": "POST",
    "headers": {},
    "params": {},
    "data": None,
    "follow_redirects": True,
    "expected_status": ["2xx"],
    "retry_on": ["5xx"],
    "retry_delay": 5,
    "retry_max_delay": 3600,
}


class Ends:
    """A store that hands out one attempt and records how its end was reported."""

    def __init__(self, attempt: Attempt) -> None:
        self.reported: list[tuple[str, Outcome, str]] = []
        self._attempt = attempt

    def claim(self, *_: Any) -> Attempt:
        return self._attempt

    def finish(self, attempt: Attempt, outcome: Outcome, *_: Any, wanted: None) -> str:
        self.reported.append(("finish", outcome, ""))
        return "failed"

    def run_again(self, attempt: Attempt, outcome: Outcome, *more: Any, wanted: None, entry: Any) -> str:
        self.reported.append(("run_again", outcome, more[-1]))
        return "waiting"


class BreakingClient(HttpClient):
    """Sends the request, then fails while reading the response."""

    def call(self, request: Request, *more: Any) -> Response:
        super().call(request, *more)
        raise UnicodeError("stream does not start with BOM")


class Broken:
    """An executor that raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def new_cancel(self) -> Cancel:
        return Cancel()

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        raise self._error


def run(dispatcher: Dispatcher, executor: Any, attempt: Attempt) -> tuple[str, Outcome, str]:
    store = Ends(attempt)
    runner = AttemptRunner(
        cast(TaskStore, store),
        dispatcher,
        {attempt.kind: executor},
        InFlight(),
        cast(Drain, DrainNotBegun()),
        15,
        system_clock,
    )
    runner.run(attempt.task_id, "one@test")
    (end,) = store.reported
    return end


def attempt_of(kind: Kind, max_retries: int = 0, losses: int = 0, **spec: Any) -> Attempt:
    task_id = "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a41"
    return Attempt(task_id, 1 + losses, 1, kind, losses, {**SPEC, "max_retries": max_retries, **spec})


@pytest.mark.parametrize(("max_retries", "how"), [(0, "finish"), (1, "run_again")])
def test_a_request_that_may_have_been_sent_is_sent_again_only_by_max_retries(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture, max_retries: int, how: str
) -> None:
    client = BreakingClient(AddressPolicy(allow_private=True))
    with Target(answering(OK)) as target:
        attempt = attempt_of(Kind.API, max_retries, api_url=target.url)
        ended, outcome, ending = run(dispatcher, ApiExecutor(client), attempt)
        assert len(target.received) == 1
    client.close()
    assert (ended, ending) == (how, Ending.COUNTED if how == "run_again" else "")
    assert outcome.failure is not None
    assert outcome.failure.type == "WorkerLostError"
    assert "may have reached the target" in outcome.failure.message
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (vars(record)["action"], vars(record)["task_id"]) == ("executor_defect", attempt.task_id)
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [RuntimeError("x"), RecursionError(), MemoryError(), ExecutorError("no zygote")])
def test_a_program_is_run_again_like_that_of_a_lost_worker(dispatcher: Dispatcher, error: Exception) -> None:
    ended, outcome, ending = run(dispatcher, Broken(error), attempt_of(Kind.CODE))
    assert (ended, ending) == ("run_again", Ending.LOST)
    assert outcome.failure is not None
    reason = f": {error}" if isinstance(error, ExecutorError) else ""
    assert outcome.failure.message == f"the worker could not run the task{reason}"


def test_a_program_is_not_run_again_for_ever(dispatcher: Dispatcher) -> None:
    ended, _, _ = run(dispatcher, Broken(RuntimeError()), attempt_of(Kind.CODE, losses=2))
    assert ended == "finish"
