"""The body of `POST /api/tasks/batch`: many specs in one request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, SkipValidation

from app.domain.checks import MAX_CODE_BYTES, Fields
from app.domain.errors import InvalidSpec, Problem
from app.domain.spec import TaskSpec, is_schedule, parsed

MAX_BATCH_TASKS = 1_000
#: Bytes of all the programs of a batch that have to be checked. A check takes milliseconds for each KiB, and a request
#: should not keep the checker busy for minutes.
MAX_BATCH_CODE_BYTES = 4 * MAX_CODE_BYTES
#: Problems that are listed of one task: a body of 16 MiB could have a million wrong fields.
MAX_PROBLEMS_PER_TASK = 50


class BatchSpec(Fields):
    """The body of `POST /api/tasks/batch`. Each task is validated by itself."""

    tasks: list[SkipValidation[TaskSpec]] = Field(
        min_length=1, max_length=MAX_BATCH_TASKS, description="Immediate and delayed tasks, as for POST /api/tasks."
    )
    atomic: bool = Field(
        True,
        description="true: all tasks are created, or none. false: the valid ones are, and each answers for itself.",
    )


def parse_batch(raw: Any) -> tuple[list[Any], bool]:
    """The raw specs in a batch, and whether it is atomic. Raises InvalidSpec for anything but the specs themselves."""
    try:
        batch = parsed(BatchSpec, raw)
    except InvalidSpec as error:
        raise InvalidSpec(listed(error.problems)) from error
    return list(batch.tasks), batch.atomic


def refuse_much_code(programs: Iterable[str]) -> None:
    """Raise InvalidSpec if the programs that have to be checked for a batch are too large together."""
    if sum(len(code.encode("utf-8", "surrogatepass")) for code in programs) > MAX_BATCH_CODE_BYTES:
        message = (
            f"the programs in function_code have more than {MAX_BATCH_CODE_BYTES} bytes together; a program counts "
            "once for each function and each number and names of arguments"
        )
        raise InvalidSpec([Problem("tasks", message)])


def refuse_schedule(raw: Any) -> None:
    """Raise InvalidSpec if a spec in a batch asks for a scheduled task."""
    if is_schedule(raw):
        message = "must be immediate or delayed in a batch; create scheduled tasks by POST /api/scheduled-tasks"
        raise InvalidSpec([Problem("task_type", message)])


def listed(problems: Sequence[Problem]) -> list[Problem]:
    """The problems of one task that a response lists."""
    return list(problems[:MAX_PROBLEMS_PER_TASK])


def problems_at(number: int, problems: Sequence[Problem]) -> list[Problem]:
    """The problems of the task at a place in the batch, with that place in their fields: `tasks.3.timeout`."""
    return [
        replace(problem, field=f"tasks.{number}.{problem.field}" if problem.field else f"tasks.{number}")
        for problem in problems
    ]
