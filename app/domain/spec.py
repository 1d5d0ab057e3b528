"""The bodies of `POST /api/tasks` and `POST /api/scheduled-tasks`.

Models validate single fields and functions validate the rules between them, so that one answer lists every wrong
field. Unknown fields are refused. Null counts as left out. The fields of a kind are declared in app/domain/kinds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, ValidationError, create_model

from app.domain.alerts.rule import ScheduleAlert, TaskAlert
from app.domain.checks import Fields, Pause, Tags, Time, distinct
from app.domain.errors import InvalidSpec, Problem
from app.domain.fields import (
    AT_CREATION,
    IN_BODY,
    IN_TIMING,
    IN_TIMING_AND_BODY,
    fresh,
    in_record,
    names_kept,
    with_hidden_values,
)
from app.domain.hints import hint
from app.domain.interval import MAX_SECONDS, MIN_SECONDS
from app.domain.kinds import KINDS, KindSpec
from app.domain.kinds.api_checks import Url
from app.domain.status import Kind, TaskType
from app.domain.times import parse_rfc3339

MAX_DELAY_SECONDS = 315_360_000  # ten years

Spec = TypeVar("Spec", bound=BaseModel)

Finish = Literal["succeeded", "failed", "stopped"]
#: The statuses of finished tasks.
FINISHES: tuple[Finish, ...] = get_args(Finish)


CallbackOn = Annotated[
    list[Finish],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    distinct("status"),
]


class CommonFields(Fields):
    """The fields of every task."""

    name: Annotated[str, in_record("n")] = Field(min_length=1, max_length=200, description="The name of the task.")
    timeout: Annotated[float, in_record("to")] = Field(
        30, ge=0.1, le=3600, allow_inf_nan=False, description="Seconds that one attempt may take, from start to end."
    )
    max_retries: Annotated[int, in_record("mr")] = Field(0, ge=0, le=100, description="Attempts after the first.")
    retry_delay: Annotated[Pause, IN_BODY] = Field(
        5, description="Seconds before the first retry. Doubles each time, with full jitter."
    )
    retry_max_delay: Annotated[Pause, IN_BODY] = Field(
        3600, description="The longest pause before a retry, in seconds."
    )
    on_worker_lost: Annotated[Literal["retry", "fail"], in_record("ol")] = Field(
        "retry",
        description=(
            "What happens when the worker dies during an attempt: the task runs again (it "
            "fails after three lost workers), or it fails at once."
        ),
    )
    expires_in: Annotated[float | None, in_record("xi")] = Field(
        None,
        ge=0.1,
        le=MAX_DELAY_SECONDS,
        allow_inf_nan=False,
        description="Seconds after it is due by which its first attempt must have started; otherwise it fails.",
    )
    priority: Annotated[int, in_record("p")] = Field(5, ge=0, le=9, description="From 0 (lowest) to 9.")
    tags: Annotated[Tags, in_record("tg")] = fresh(list, description="Up to 20 strings by which the task can be found.")
    callback_url: Annotated[Url | None, in_record("cb")] = Field(
        None, description="An http or https URL to which the finished task is posted."
    )
    callback_on: Annotated[CallbackOn, in_record("co")] = Field(
        list(FINISHES), description="The statuses in which a finished task is posted to callback_url."
    )

    alert: Annotated[TaskAlert | None, in_record("al")] = Field(
        None, description="The channels that are told when the task has failed for good."
    )

    @property
    def kind(self) -> Kind:
        """The kind whose marker is set."""
        return next(kind for kind, row in KINDS.items() if getattr(self, row.marker) is not None)


if TYPE_CHECKING:

    class TaskFields(CommonFields):
        """The fields of tasks of all kinds."""
else:
    _KINDS_OWN = tuple(row.fields for row in KINDS.values())
    # pydantic collects the bases' fields from the last to the first: those of every task come first in documents.
    TaskFields = create_model("TaskFields", __base__=(*reversed(_KINDS_OWN), CommonFields))


class TaskSpec(TaskFields):
    """The body of `POST /api/tasks`."""

    task_type: Annotated[Literal["immediate", "delayed"], AT_CREATION] = Field(
        "immediate", description="When the task runs."
    )
    delay_seconds: Annotated[float | None, AT_CREATION] = Field(
        None, gt=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False, description="Delayed: seconds from now."
    )
    run_at: Annotated[Time | None, AT_CREATION] = Field(
        None, description="Delayed: an RFC 3339 time with an offset. A time in the past means now."
    )

    def due_ms(self, now_ms: int) -> int:
        """Return when the task is due, in ms since 1970. Never earlier than now."""
        if self.delay_seconds is not None:
            return now_ms + round(self.delay_seconds * 1000)
        if self.run_at is not None:
            return max(now_ms, parse_rfc3339(self.run_at))
        return now_ms


#: Kept without the blanks around it, such as the line end of a YAML block.
CronText = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"format": "cron"}),
    AfterValidator(str.strip),
]
Zone = Annotated[str, Field(max_length=64, json_schema_extra={"format": "time-zone"})]
EverySeconds = Annotated[int, Field(ge=MIN_SECONDS, le=MAX_SECONDS)]
_CRON = (
    "Five fields, six with seconds first, or @hourly … @yearly; H stands for a value derived from the schedule's id."
)


class ScheduleSpec(TaskFields):
    """The body of `POST /api/scheduled-tasks`. app/usecases/timing.py checks expression and time zone."""

    task_type: Annotated[Literal["scheduled"], AT_CREATION] = Field("scheduled", description="Optional here.")
    cron_expression: Annotated[CronText | None, IN_TIMING] = Field(
        None, description=f"{_CRON} Either this or every_seconds is required."
    )
    every_seconds: Annotated[EverySeconds | None, IN_TIMING] = Field(
        None,
        description=(
            "The interval between firings in seconds of elapsed time, counted from start_at or from the creation."
        ),
    )
    timezone: Annotated[Zone | None, IN_TIMING_AND_BODY] = Field(
        None, description="An IANA time zone. The default is the service's setting TIMEZONE."
    )
    start_at: Annotated[Time | None, IN_TIMING] = Field(
        None, description="An RFC 3339 time with an offset. The schedule does not fire before it."
    )
    end_at: Annotated[Time | None, IN_TIMING] = Field(
        None, description="An RFC 3339 time with an offset. The schedule does not fire after it."
    )
    max_runs: Annotated[int | None, IN_TIMING] = Field(
        None, ge=1, le=1_000_000_000, description="How many tasks the schedule creates before it ends."
    )
    catch_up: Annotated[Literal["none", "latest", "all"], IN_TIMING] = Field(
        "latest",
        description=(
            "Which firings are made up for after the service was down: none, the latest, or all (at most 1,000)."
        ),
    )
    jitter_seconds: Annotated[float, IN_TIMING] = Field(
        0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Each firing is delayed by a random number of seconds from 0 to this.",
    )
    alert: Annotated[ScheduleAlert | None, in_record("al")] = Field(
        None, description="The channels that are told what becomes of its tasks. The default is ALERT_DEFAULT."
    )
    overlap: Annotated[Literal["allow", "skip", "stop_previous"], IN_TIMING] = Field(
        "allow", description="What a firing does while the previous task of the schedule is unfinished."
    )


def kept_fields(spec: TaskFields) -> dict[str, Any]:
    """Return the fields to store. Leaves out those of other kinds and those that only creation uses."""
    return {name: _kept(getattr(spec, name)) for name in _names_kept_of(type(spec), spec.kind)}


def _kept(value: Any) -> Any:
    """A value as it is stored: of a model, what was given of it."""
    return (
        value.model_dump(mode="json", exclude_unset=True, exclude_none=True) if isinstance(value, BaseModel) else value
    )


@cache
def _names_kept_of(model: type[TaskFields], kind: Kind) -> tuple[str, ...]:
    foreign = fields_of_others(kind)
    return tuple(name for name in names_kept(model) if name not in foreign)


@cache
def fields_of_others(kind: Kind) -> frozenset[str]:
    """The fields that tasks of this kind do not have."""
    return frozenset(name for other, row in KINDS.items() if other is not kind for name in row.own_fields)


# --- the rules between the fields ------------------------------------------------------------------

DELAY_FIELDS = ("delay_seconds", "run_at")
WHEN_FIELDS = ("cron_expression", "every_seconds")
_FIELDS_OF_SECRETS = ("headers", "params", "data", "args", "kwargs")
_SECRET = re.compile(r"\{\{secret:[^{}]*\}\}")
_as_text = json.JSONEncoder(default=str).encode


#: Checks the fields of a raw spec, which may have any type, and returns the problems between them.
Rules = Callable[[dict[str, Any]], list[Problem]]


def parse_task(raw: Any, now_ms: int, inspect: Rules) -> TaskSpec:
    """Parse `raw`. Raises InvalidSpec with every problem, including those that `inspect` finds."""

    def rules(fields: dict[str, Any]) -> list[Problem]:
        return [
            *_kind_problems(fields),
            *_scheduled_problems(fields),
            *_delay_problems(fields, now_ms),
            *_secret_problems(fields),
            *inspect(fields),
        ]

    return parsed(TaskSpec, raw, rules)


def parse_schedule(raw: Any, inspect: Rules) -> ScheduleSpec:
    """Parse `raw`. Raises InvalidSpec with every problem, including those that `inspect` finds."""

    def rules(fields: dict[str, Any]) -> list[Problem]:
        return [
            *_kind_problems(fields),
            *_when_problems(fields),
            *(Problem(name, "is for delayed tasks only: use start_at") for name in DELAY_FIELDS if name in fields),
            *_secret_problems(fields),
            *inspect(fields),
        ]

    return parsed(ScheduleSpec, raw, rules)


def must_be_object(value: Any) -> None:
    """Raise InvalidSpec for a body that is no JSON object."""
    if not isinstance(value, dict):
        raise InvalidSpec([Problem("", "must be a JSON object")])


def merged(raw: dict[str, Any], changes: Any) -> dict[str, Any]:
    """Apply `changes` to a spec. Null gives a field its default, and `***` keeps the value of a header.

    A change to another kind removes the fields of the old one. Raises InvalidSpec if `changes` is not an object.
    """
    must_be_object(changes)
    changes = with_hidden_values(changes, raw, TaskSpec)
    kinds = [row for row in KINDS.values() if changes.get(row.marker) is not None]
    if len(kinds) == 1:
        foreign = fields_of_others(kinds[0].kind) - changes.keys()
        raw = {name: value for name, value in raw.items() if name not in foreign}
    for name, other in (WHEN_FIELDS, WHEN_FIELDS[::-1]):
        if changes.get(name) is not None and changes.get(other) is None:
            raw = {**raw, other: None}
    return {**raw, **changes}


def is_schedule(raw: Any) -> bool:
    """Tell whether the body of a task asks for a scheduled task."""
    return isinstance(raw, dict) and raw.get("task_type") == TaskType.SCHEDULED


def parsed(model: type[Spec], raw: Any, rules: Rules = lambda _: []) -> Spec:
    """The body `raw` as a `model`. Null counts as absent, except for a name that is no field.

    Raises InvalidSpec with every problem, including those that `rules` find.
    """
    must_be_object(raw)
    known = _names_known(model)
    fields = {name: value for name, value in raw.items() if value is not None or name not in known}
    problems = rules(fields)
    named = {problem.field for problem in problems}
    try:
        spec = model.model_validate(fields)
    except ValidationError as error:
        found = _problems_of(error, known)
        problems = [*(problem for problem in found if problem.field not in named), *problems]
    if problems:
        raise InvalidSpec(problems)
    return spec


def _problems_of(error: ValidationError, known: frozenset[str]) -> list[Problem]:
    """Convert pydantic's errors to the contract's shape: one per field, the field as a path. `known`: for hints."""
    problems: dict[str, Problem] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        field = _path(detail["loc"])
        problems.setdefault(field, Problem(field, _message(detail["type"], field, detail["msg"], known)))
    return list(problems.values())


@cache
def _names_known(model: type[BaseModel]) -> frozenset[str]:
    """The fields for which null counts as absent. A task's are a scheduled task's too: clients send whole forms."""
    models = (TaskSpec, ScheduleSpec) if issubclass(model, TaskFields) else (model,)
    return frozenset(name for each in models for name in each.model_fields)


_UNION_MEMBERS = ("int", "str", "float", "bool")
_WRAPPED_MEMBERS = ("list[", "function-")


def _path(location: tuple[int | str, ...]) -> str:
    """Return a path such as `tags[2]` or `headers.X-Id`, without the names of union members that pydantic appends."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not text:
            text = step[:100]
        elif not (step in _UNION_MEMBERS or step.startswith(_WRAPPED_MEMBERS) or "constrained-" in step):
            text += f".{step[:100]}"
    return text


#: pydantic's types of errors about the type of a value. Its own messages use Python's words (dictionary, integer).
_WRONG_TYPES = {
    "missing": "is required",
    "string_type": "should be a string",
    "dict_type": "should be an object",
    "model_type": "should be an object",
    "list_type": "should be an array",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "bool_type": "should be true or false",
    "float_type": "should be a number",
}


#: What the fields take whose values may be of several types: pydantic names only one of them.
_WANTED = {
    "headers.": "a string, a number or a boolean",
    "params.": "a string, a number, a boolean, or an array of them",
    "expected_status": "a status code, a range like 2xx, or an array of them",
    "retry_on[": "a status code or a range like 5xx",
}


def _message(type_: str, field: str, message: str, known: frozenset[str]) -> str:
    if type_ == "extra_forbidden":
        return f"is not a field{hint(field, known)}"
    for prefix, wanted in _WANTED.items():
        if field.startswith(prefix) and type_.endswith("_type"):
            return f"should be {wanted}"
    return _WRONG_TYPES.get(type_) or _sentence(message)


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    text = text.replace("'immediate' or 'delayed'", "'immediate', 'delayed' or 'scheduled'")
    text = re.sub(r" after validation, not \d+$", "", text)
    for word, ours in (("String", "string"), ("List", "array"), ("Dictionary", "object")):
        text = text.replace(word, ours, 1) if text.startswith(word) else text
    return text


def _kind_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """A task has exactly one kind, every field that the kind requires, and no field of another kind."""
    given = [row for row in KINDS.values() if row.marker in fields]
    if len(given) > 1:
        message = f"a task has either {' or '.join(row.marker for row in given)}, not both"
        return [Problem(row.marker, message) for row in given]
    if not given:
        first, *others = [row.marker for row in KINDS.values()]
        return [Problem(first, f"is required, or {' or '.join(others)}")]
    (row,) = given
    return [*_foreign_problems(fields, row), *_missing_problems(fields, row), *row.problems(fields)]


def _foreign_problems(fields: Mapping[str, Any], row: KindSpec) -> list[Problem]:
    if fields_of_others(row.kind).isdisjoint(fields):
        return []
    return [
        Problem(name, f"is for {other.label} tasks only")
        for other in KINDS.values()
        for name in other.own_fields
        if name in fields and name not in row.own_fields
    ]


def _missing_problems(fields: Mapping[str, Any], row: KindSpec) -> list[Problem]:
    return [Problem(name, f"is required with {row.marker}") for name in row.required if name not in fields]


def _when_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """A schedule has a cron expression or an interval."""
    given = [name for name in WHEN_FIELDS if name in fields]
    if not given:
        return [Problem("cron_expression", "is required, or every_seconds")]
    if len(given) == 2:
        return [Problem(name, "give cron_expression or every_seconds, not both") for name in given]
    return []


def _scheduled_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """A task has no field of a schedule's own, and does not become a scheduled task by a change."""
    if is_schedule(fields):
        return [Problem("task_type", "can't change to scheduled: create a scheduled task instead")]
    names = _fields_of_schedules_only()
    message = "is for scheduled tasks only: set task_type to scheduled"
    return [Problem(name, message) for name in fields if name in names]


@cache
def _fields_of_schedules_only() -> frozenset[str]:
    return frozenset(ScheduleSpec.model_fields.keys() - TaskSpec.model_fields.keys())


def _secret_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """Secrets are not there yet. Until they are, no target and no program must get the placeholder in their place."""
    return [
        Problem(name, "holds {{secret:NAME}}, which is not yet implemented")
        for name in _FIELDS_OF_SECRETS
        if fields.get(name) and _SECRET.search(_as_text(fields[name]))
    ]


def _delay_problems(fields: Mapping[str, Any], now_ms: int) -> list[Problem]:
    """A delayed task has `delay_seconds` or `run_at`; an immediate task has neither."""
    given = [name for name in DELAY_FIELDS if name in fields]
    if fields.get("task_type", TaskType.IMMEDIATE) != TaskType.DELAYED:
        return [Problem(name, "is for delayed tasks only: set task_type to delayed") for name in given]
    if not given:
        return [Problem("delay_seconds", "is required with task_type delayed, or run_at")]
    if len(given) == 2:
        return [Problem(name, "give delay_seconds or run_at, not both") for name in given]
    return _run_at_problems(fields.get("run_at"), now_ms)


def _run_at_problems(run_at: Any, now_ms: int) -> list[Problem]:
    try:
        too_far = isinstance(run_at, str) and parse_rfc3339(run_at) - now_ms > MAX_DELAY_SECONDS * 1000
    except ValueError:
        return []  # the model says what is wrong with it
    return [Problem("run_at", "must be within the next ten years")] if too_far else []


class PreviewSpec(Fields):
    """The body of `POST /api/cron/preview`."""

    cron_expression: CronText | None = Field(
        None, description="As in a scheduled task. Either this or every_seconds is required."
    )
    every_seconds: EverySeconds | None = Field(None, description="As in a scheduled task.")
    timezone: Zone | None = Field(None, description="An IANA time zone. The default is the service's setting TIMEZONE.")
    count: int = Field(5, ge=1, le=100, description="How many firings to list.")


def parse_preview(raw: Any, inspect: Rules) -> PreviewSpec:
    """Parse `raw`. Raises InvalidSpec with every problem, including those that `inspect` finds."""
    return parsed(PreviewSpec, raw, lambda fields: [*_when_problems(fields), *inspect(fields)])
