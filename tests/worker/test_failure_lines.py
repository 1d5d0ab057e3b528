"""What the log tells of an attempt's end, so that an operator need not look the task up."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from app import logs
from app.domain.outcome import Failure, Outcome
from app.domain.status import Kind
from app.store.tasks import Attempt
from tasks.attempts import _log_end

URL = "https://user.test/hook/%0A?token=secret#part"


def told(caplog: pytest.LogCaptureFixture, outcome: Outcome, status: str, **spec: Any) -> tuple[str, str]:
    """Level and line of the end of an attempt of a task with this spec."""
    caplog.set_level(logging.INFO, "celeriac.tasks")
    kind = Kind.API if "api_url" in spec else Kind.CODE
    _log_end(Attempt("0198", 1, 1, kind, 0, {"name": "night\nly", **spec}), outcome, status, 3.14)
    (record,) = caplog.records
    return record.levelname, logs.TextFormatter().format(record)


def test_a_failed_task_is_a_warning_with_name_type_and_message(caplog: pytest.LogCaptureFixture) -> None:
    failure = Failure("ValueError", "no\x1b[2J\nsuch row " + "x" * 5_000)
    level, line = told(caplog, Outcome(failure=failure), "failed")
    assert level == "WARNING"
    assert r'task_name="night\nly" error=ValueError error_message="no\x1b[2J\nsuch row xxx' in line
    assert len(line) < 1_000
    assert "\n" not in line


def test_a_failed_call_has_method_and_url_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    failure = Failure("HTTPStatusError", "the target answered 500")
    level, line = told(caplog, Outcome(failure=failure), "failed", api_url=URL, method="POST", headers={"A": "secret"})
    assert level == "WARNING"
    assert line.endswith("method=POST url=https://user.test/hook/%0A")
    assert "secret" not in line


@pytest.mark.parametrize("status", ["succeeded", "stopped"])
def test_any_other_end_is_not(caplog: pytest.LogCaptureFixture, status: str) -> None:
    assert told(caplog, Outcome(result_json=b"1"), status)[0] == "INFO"


def test_a_retry_tells_why(caplog: pytest.LogCaptureFixture) -> None:
    level, line = told(caplog, Outcome(failure=Failure("ValueError", "not yet")), "waiting")
    assert level == "INFO"
    assert 'error=ValueError error_message="not yet"' in line
