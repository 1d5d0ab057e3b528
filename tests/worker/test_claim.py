"""A claim that Redis does not answer gives one line in the log and leaves the task to recovery."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from app.domain.errors import Unavailable
from app.domain.outcome import Ending, Failure, Outcome
from app.domain.status import Kind
from app.store.tasks import Attempt, TaskStore
from app.usecases.dispatch import Dispatcher
from tasks.attempts import AttemptRunner
from tasks.drain import Drain
from tasks.leases.in_flight import InFlight


class _StoreAway:
    """A store whose Redis is away."""

    def claim(self, *_: Any) -> None:
        raise Unavailable("ConnectionError") from OSError("Connection refused by 10.0.0.7:6379")


class _DrainNotBegun:
    """The drain of a worker that keeps running."""

    def may_start(self, task_id: str) -> bool:
        return True


def test_a_claim_without_redis_is_logged_without_a_traceback(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    runner = AttemptRunner(
        cast(TaskStore, _StoreAway()), dispatcher, {}, InFlight(), cast(Drain, _DrainNotBegun()), 15, lambda: 0
    )
    runner.run("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42", "one@test")
    (record,) = caplog.records
    assert vars(record)["action"] == "claim_failed"
    assert vars(record)["reason"] == "ConnectionError: Connection refused by 10.0.0.7:6379"
    assert vars(record)["task_id"] == "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"
    assert record.exc_info is None


class _StoreTooLate:
    """A store in which the task has expired."""

    def claim(self, *_: Any) -> str:
        return "expired"


def test_a_task_that_expired_is_logged_and_not_started(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    runner = AttemptRunner(
        cast(TaskStore, _StoreTooLate()), dispatcher, {}, InFlight(), cast(Drain, _DrainNotBegun()), 15, lambda: 0
    )
    assert runner.run("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42", "one@test") == ""
    assert [vars(record)["action"] for record in caplog.records] == ["task_expired"]


def test_a_lost_worker_uses_up_no_retry(dispatcher: Dispatcher) -> None:
    runner = AttemptRunner(
        cast(TaskStore, _StoreAway()), dispatcher, {}, InFlight(), cast(Drain, _DrainNotBegun()), 15, lambda: 0
    )
    failed = Outcome(failure=Failure("ValueError", "no"))
    spec = {"max_retries": 1, "retry_delay": 8, "retry_max_delay": 3600}

    def pause_ms(number: int, losses: int) -> int | None:
        attempt = Attempt("id", number, number, Kind.CODE, losses, spec)
        return runner._pause_ms(attempt, failed, Ending.COUNTED)

    assert pause_ms(2, 0) is None, "the only retry has been used"
    for losses in (1, 2):
        pause = pause_ms(1 + losses, losses)
        assert pause is not None, "the earlier attempts were lost"
        assert pause <= 8_000, "the pause before the first retry"
        assert pause_ms(2 + losses, losses) is None
