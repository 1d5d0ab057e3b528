"""A claim that Redis does not answer gives one line in the log and leaves the task to recovery."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.clock import system_clock
from app.domain.errors import Unavailable
from app.domain.outcome import Ending, Failure, Outcome
from app.domain.status import Kind, Status
from app.store.store import Store
from app.store.tasks import Attempt, TaskStore
from app.usecases.dispatch import Dispatcher
from sandbox import Cancel
from tasks import attempts
from tasks.attempts import AttemptRunner
from tasks.drain import Drain
from tasks.executors import Executor
from tasks.leases.in_flight import InFlight
from tests.store.making import created


class _StoreAway:
    """A store whose Redis is away."""

    def claim(self, *_: Any) -> None:
        raise Unavailable("ConnectionError") from OSError("Connection refused by 10.0.0.7:6379")


class _DrainNotBegun:
    """The drain of a worker that keeps running."""

    has_begun = False

    def may_start(self, task_id: str) -> bool:
        return True


def test_a_claim_without_redis_is_logged_without_a_traceback(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    runner = AttemptRunner(
        cast(TaskStore, _StoreAway()), dispatcher, {}, InFlight(), cast(Drain, _DrainNotBegun()), 0.3, lambda: 0
    )
    runner.run("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42", "one@test")
    (record,) = caplog.records
    assert vars(record)["action"] == "claim_failed"
    assert vars(record)["reason"] == "ConnectionError: Connection refused by 10.0.0.7:6379"
    assert vars(record)["task_id"] == "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"
    assert record.exc_info is None


class _StoreWithoutReplies:
    """A store that notes the names of claims, and never replies."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def claim(self, *arguments: Any) -> None:
        self.names.append(arguments[-1])
        raise Unavailable("TimeoutError")


def test_a_claim_is_repeated_for_a_third_of_its_lease(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is left, a worker that gets a reply then has time to renew."""
    now = [0.0]
    monkeypatch.setattr(attempts, "elapsed", lambda: now[0])
    monkeypatch.setattr(attempts, "time", SimpleNamespace(sleep=lambda seconds: now.append(now.pop() + seconds)))
    store = _StoreWithoutReplies()
    runner = AttemptRunner(
        cast(TaskStore, store), dispatcher, {}, InFlight(), cast(Drain, _DrainNotBegun()), 15, lambda: 0
    )
    assert runner.run("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42", "one@test") == ""
    assert (now, len(store.names), len(set(store.names)), len(caplog.records)) == ([5.0], 11, 1, 1)


class _StoreThatLosesReplies:
    """A store that does what it is asked, while the replies to the first two claims are lost."""

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks
        self._lost = 0
        self.finish = tasks.finish

    def claim(self, *arguments: Any) -> Attempt | str:
        claimed = self._tasks.claim(*arguments)
        if self._lost < 2:
            self._lost += 1
            raise Unavailable("TimeoutError")
        return claimed


class _Executor:
    """It does nothing, at once."""

    new_cancel = Cancel

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        return Outcome(result_json=b"7")


def test_a_claim_whose_reply_is_lost_is_repeated(
    store: Store, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the task would wait for its lease to end, and count as lost with a worker that is there."""
    monkeypatch.setattr(attempts, "REPORT_PAUSE_SECONDS", 0.01)
    task_id = created(store, system_clock())
    runner = AttemptRunner(
        cast(TaskStore, _StoreThatLosesReplies(store.tasks)),
        dispatcher,
        {"code": cast(Executor, _Executor())},
        InFlight(),
        cast(Drain, _DrainNotBegun()),
        15,
        system_clock,
    )
    assert runner.run(task_id, "one@test") == "succeeded"
    task = store.tasks.get(task_id)
    assert task is not None
    assert (task.status, task.attempt) == (Status.SUCCEEDED, 1)
    assert [vars(record)["action"] for record in caplog.records if record.levelno >= logging.WARNING] == [
        "claim_failed"
    ]


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
