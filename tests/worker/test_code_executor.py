"""What the executor tells a program of its task, and which of its failures are worth a retry."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain import ids
from app.domain.outcome import Outcome
from app.domain.status import Kind
from app.settings import Settings
from app.store.tasks import Attempt
from sandbox import Sandbox
from tasks.executors.code import CodeExecutor

FIRING_MS = 1_795_827_600_000  # 2026-11-28T01:00:00Z
SCHEDULE = ids.new_id(FIRING_MS - 1)


@pytest.fixture(scope="module")
def executor() -> Iterator[CodeExecutor]:
    sandbox = Sandbox(spare_children=1)
    sandbox.start()
    yield CodeExecutor(sandbox, Settings())
    sandbox.close()


def _outcome(executor: CodeExecutor, code: str, **fields: Any) -> Outcome:
    shared = {"name": "n", "timeout": 10.0, "max_retries": 0, "priority": 5, "timezone": "Asia/Shanghai"}
    spec = {"function_code": code, "function_name": "main", "args": [], "kwargs": {}, **shared}
    known = {"task_id": ids.firing_id(SCHEDULE, FIRING_MS), "number": 3, "epoch": 1, "kind": Kind.CODE, "losses": 0}
    values = {**shared, **known, "spec": spec, **fields}
    names = {field.name for field in dataclasses.fields(Attempt)}
    attempt = Attempt(**{name: value for name, value in values.items() if name in names})
    return executor.execute(attempt, executor.new_cancel())


KNOWN = """
import celeriac
def main():
    return [celeriac.task_id, celeriac.attempt, celeriac.scheduled_task_id, str(celeriac.scheduled_at)]
"""


def test_a_firings_program_knows_its_schedule_and_the_time_of_the_firing(executor: CodeExecutor) -> None:
    result = _outcome(executor, KNOWN, scheduled_task_id=SCHEDULE).result_json
    assert json.loads(result or b"") == [ids.firing_id(SCHEDULE, FIRING_MS), 3, SCHEDULE, "2026-11-28 01:00:00+00:00"]


def test_a_firings_program_knows_the_zone_of_its_schedule(executor: CodeExecutor) -> None:
    code = "import celeriac\ndef main(): return celeriac.timezone"
    assert _outcome(executor, code, scheduled_task_id=SCHEDULE).result_json == b'"Asia/Shanghai"'


def test_another_program_knows_its_task_and_attempt(executor: CodeExecutor) -> None:
    result = _outcome(executor, KNOWN).result_json
    assert json.loads(result or b"")[1:] == [3, None, "None"]


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("def main(): raise ValueError", True),
        ("def main(): exit(1)", False),
        ("def main(a): pass", False),
        ("def main(): pass(", False),
        ("import os\ndef main(): pass", False),
        ("def main(): len()", True),
    ],
)
def test_what_fails_so_every_time_is_not_retried(executor: CodeExecutor, code: str, retryable: bool) -> None:
    assert _outcome(executor, code).retryable is retryable


def test_an_exit_with_zero_succeeds(executor: CodeExecutor) -> None:
    outcome = _outcome(executor, "def main():\n    print('nothing to do')\n    exit(0)")
    assert (outcome.result_json, outcome.failure, outcome.stdout) == (b"null", None, "nothing to do\n")
