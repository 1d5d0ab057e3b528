"""A claim that Redis does not answer: one line in the log, and the task is left to be found again."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from app.dispatch import Dispatcher
from app.domain.errors import Unavailable
from app.store.tasks import TaskStore
from tasks.attempts import AttemptRunner
from tasks.drain import Drain
from tasks.running import Running


class _Away:
    def claim(self, *_: Any) -> None:
        raise Unavailable("TimeoutError")


class _NotEnding:
    def may_start(self, task_id: str) -> bool:
        return True


def test_a_claim_without_redis_is_said_without_a_traceback(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    runner = AttemptRunner(
        cast(TaskStore, _Away()), dispatcher, {}, Running(), cast(Drain, _NotEnding()), 15, lambda: 0
    )
    runner.run("0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42", "one@test")
    (record,) = caplog.records
    assert vars(record)["action"] == "claim_failed"
    assert vars(record)["task_id"] == "0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42"
    assert record.exc_info is None
