"""The body of `POST /api/bulk`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from app.domain.checks import Fields, checked
from app.domain.errors import InvalidSpec, Problem
from app.domain.ids import is_id
from app.domain.spec import parsed

MAX_IDS = 1_000


class BulkStatus(StrEnum):
    """The status of a bulk."""

    RUNNING = "running"
    COMPLETED = "completed"
    ABORTED = "aborted"


class Of(StrEnum):
    """The things that a bulk acts on."""

    TASKS = "tasks"
    SCHEDULED_TASKS = "scheduled-tasks"


#: The actions on each.
ACTIONS: dict[Of, tuple[str, ...]] = {
    Of.TASKS: ("retry", "stop", "delete"),
    Of.SCHEDULED_TASKS: ("pause", "resume", "delete", "run"),
}


def _check_id(text: str) -> None:
    if not is_id(text):
        raise ValueError("is not an id")


_Id = Annotated[str, Field(json_schema_extra={"format": "uuid"}), checked(_check_id)]


class BulkSpec(Fields):
    """The body of `POST /api/bulk`. The values of `filter` are those of the list's query."""

    of: Literal["tasks", "scheduled-tasks"] = Field("tasks", description="What to act on.")
    action: Literal["retry", "stop", "delete", "pause", "resume", "run"] = Field(
        description="Of tasks: retry, stop, delete. Of scheduled tasks: pause, resume, delete, run."
    )
    filter: Annotated[dict[str, str], Field(min_length=1)] | None = Field(
        None, description="The filters of the list, at least one, as its query has them. This or ids."
    )
    ids: Annotated[list[_Id], Field(min_length=1, max_length=MAX_IDS)] | None = Field(
        None, description="The ids of what to act on. This or filter."
    )
    changes: dict[str, Any] | None = Field(
        None, description="Retry only: fields of the spec that the new tasks have instead of the old ones'."
    )
    dry_run: bool = Field(False, description="Count what matches, and do nothing.")


def parse_bulk(raw: Any) -> BulkSpec:
    """The spec in `raw`. Raises InvalidSpec with every problem, except those within `filter` and `changes`."""
    spec = parsed(BulkSpec, raw)
    problems = _problems(spec)
    if problems:
        raise InvalidSpec(problems)
    return spec


def _problems(spec: BulkSpec) -> list[Problem]:
    """The problems of fields that don't go together."""
    problems = []
    actions = ACTIONS[Of(spec.of)]
    if spec.action not in actions:
        problems.append(Problem("action", f"must be one of {', '.join(actions)} for {spec.of}"))
    if spec.filter is None and spec.ids is None:
        problems.append(Problem("filter", "is required, or ids"))
    if spec.filter is not None and spec.ids is not None:
        problems += [Problem(name, "give filter or ids, not both") for name in ("filter", "ids")]
    if spec.changes and spec.action != "retry":
        problems.append(Problem("changes", "is for retry only"))
    # In a query an empty value counts as absent. Here the bulk would act on more than was meant.
    problems += [Problem(f"filter.{name[:100]}", "must not be empty") for name, text in _items(spec) if text == ""]
    return problems


def _items(spec: BulkSpec) -> list[tuple[str, str]]:
    return list((spec.filter or {}).items())
