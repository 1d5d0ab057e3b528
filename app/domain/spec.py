"""What a task is made of: the body of `POST /api/tasks` and of `POST /api/scheduled-tasks`.

One model validates the fields, another list the rules between them, so that every wrong field is named
at once. Unknown fields are refused; a field given as null counts as left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.domain.errors import InvalidSpec, Problem
from app.domain.retry import DEFAULT_RETRY_ON
from app.domain.status import Kind, TaskType
from app.domain.statuscodes import StatusPattern, bounds
from app.domain.times import parse_rfc3339
from app.domain.url import check_url

MAX_DELAY_SECONDS = 315_360_000  # ten years
MAX_CODE_BYTES = 262_144
MAX_ARGS_BYTES = 262_144

Spec = TypeVar("Spec", bound=BaseModel)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 token


def _checked(check: Callable[[Any], object]) -> AfterValidator:
    """A validator from a function that raises ValueError."""

    def validate(value: Any) -> Any:
        check(value)
        return value

    return AfterValidator(validate)


def _check_code(code: str) -> None:
    if len(code.encode()) > MAX_CODE_BYTES:
        raise ValueError(f"must have at most {MAX_CODE_BYTES} bytes")


def _check_identifier(name: str) -> None:
    if not name.isidentifier():
        raise ValueError("is not a name a function can have")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is not a header name")
        if any(character in value for character in "\r\n\0"):
            raise ValueError(f"the value of {name} holds a line break or a null")


def _check_patterns(patterns: tuple[StatusPattern, ...]) -> None:
    for pattern in patterns:
        bounds(pattern)


Code = Annotated[str, Field(min_length=1), _checked(_check_code)]
Identifier = Annotated[str, Field(min_length=1, max_length=200), _checked(_check_identifier)]
Url = Annotated[str, Field(min_length=1), _checked(check_url)]
Headers = Annotated[dict[str, str], Field(max_length=100), _checked(_check_headers)]
Params = Annotated[dict[str, str], Field(max_length=200)]
Time = Annotated[str, Field(max_length=40), _checked(parse_rfc3339)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=20)]
Pattern = Annotated[int, Field(ge=100, le=599)] | str
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=50), _checked(_check_patterns)]
HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
Pause = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class TaskFields(BaseModel):
    """What every task has, whenever it runs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(min_length=1, max_length=200, description="What to call it.")
    function_code: Code | None = Field(None, description="Code: Python source, at most 256 KiB.")
    function_name: Identifier | None = Field(None, description="Code: the function in it to call.")
    args: list[Any] = Field([], description="Code: positional arguments; with kwargs at most 256 KiB.")
    kwargs: dict[str, Any] = Field({}, description="Code: keyword arguments.")
    api_url: Url | None = Field(None, description="API: an http or https URL, at most 8 KiB.")
    method: HttpMethod = Field("GET", description="API: the request's method.")
    headers: Headers = Field({}, description="API: the request's headers.")
    params: Params = Field({}, description="API: added to the URL's query.")
    data: Any = Field(None, description="API: an object or array is sent as JSON, a string as it is.")
    expected_status: Patterns = Field(["2xx"], description="API: statuses that count as success.")
    retry_on: Patterns = Field(list(DEFAULT_RETRY_ON), description="API: statuses worth a retry.")
    timeout: float = Field(
        30, ge=0.1, le=3600, allow_inf_nan=False, description="Seconds for one attempt, start to end."
    )
    max_retries: int = Field(0, ge=0, le=100, description="Attempts after the first.")
    retry_delay: Pause = Field(5, description="Seconds before the first retry, doubled each time, jittered.")
    retry_max_delay: Pause = Field(3600, description="Seconds that a pause before a retry has at most.")
    on_worker_lost: Literal["retry", "fail"] = Field(
        "retry",
        description="When the worker that runs it dies: it runs again (three deaths at most), or fails.",
    )
    priority: int = Field(5, ge=0, le=9, description="0 (lowest) to 9.")
    tags: Tags = Field([], description="Up to 20 strings to find it by.")

    @property
    def kind(self) -> Kind:
        """What it does."""
        return Kind.API if self.api_url is not None else Kind.CODE


class TaskSpec(TaskFields):
    """The body of `POST /api/tasks`."""

    task_type: Literal["immediate", "delayed"] = Field("immediate", description="When it runs.")
    delay_seconds: float | None = Field(
        None, gt=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False, description="Delayed: seconds from now."
    )
    run_at: Time | None = Field(None, description="Delayed: an RFC 3339 time with an offset; in the past means now.")

    def due_ms(self, now_ms: int) -> int:
        """When it is due, never before now."""
        if self.delay_seconds is not None:
            return now_ms + round(self.delay_seconds * 1000)
        if self.run_at is not None:
            return max(now_ms, parse_rfc3339(self.run_at))
        return now_ms


class ScheduleSpec(TaskFields):
    """The body of `POST /api/scheduled-tasks`. Expression and zone are checked later."""

    task_type: Literal["scheduled"] = Field("scheduled", description="May be left out.")
    cron_expression: str = Field(
        min_length=1, max_length=200, description="Five fields, six with seconds first, or @hourly … @yearly."
    )
    timezone: str | None = Field(None, max_length=64, description="IANA name; default: the service's.")
    start_at: Time | None = Field(None, description="RFC 3339 time with an offset: no firing before it.")
    end_at: Time | None = Field(None, description="RFC 3339 time with an offset: no firing after it.")
    max_runs: int | None = Field(None, ge=1, le=1_000_000_000, description="Firings in all; then it is ended.")
    catch_up: Literal["none", "latest", "all"] = Field(
        "latest", description="Firings missed while the service was down: none, the newest, or all (at most 1,000)."
    )
    jitter_seconds: float = Field(
        0, ge=0, le=86_400, allow_inf_nan=False, description="Each firing is put off by a random 0..n seconds."
    )
    overlap: Literal["allow", "skip", "stop_previous"] = Field(
        "allow", description="What a firing does when the last task of the schedule is not finished."
    )


# --- the rules between the fields ------------------------------------------------------------------

CODE_FIELDS = ("function_name", "args", "kwargs")
API_FIELDS = ("method", "headers", "params", "data", "expected_status", "retry_on")
DELAY_FIELDS = ("delay_seconds", "run_at")
#: The fields an attempt needs; kept beside the record, not in it.
BODY_FIELDS = {
    Kind.CODE: ("function_code", *CODE_FIELDS),
    Kind.API: ("api_url", *API_FIELDS),
}


#: Looks at the fields of a raw spec, which may be of any type, and says what is wrong between them.
Rules = Callable[[dict[str, Any]], list[Problem]]


def parse_task(raw: Any, now_ms: int, inspect: Rules) -> TaskSpec:
    """The spec in `raw`, or InvalidSpec with every problem, those that `inspect` finds included."""

    def rules(fields: dict[str, Any]) -> list[Problem]:
        return [*_kind_problems(fields), *_number_problems(fields), *_delay_problems(fields, now_ms), *inspect(fields)]

    return _parse(TaskSpec, raw, rules)


def parse_schedule(raw: Any, inspect: Rules) -> ScheduleSpec:
    """The spec in `raw`, or InvalidSpec with every problem, those that `inspect` finds included."""

    def rules(fields: dict[str, Any]) -> list[Problem]:
        return [*_kind_problems(fields), *_number_problems(fields), *inspect(fields)]

    return _parse(ScheduleSpec, raw, rules)


def merged(raw: dict[str, Any], changes: Any) -> dict[str, Any]:
    """A spec with some of its fields changed; null gives a field its default.

    Changing to the other kind takes the fields of the old one away. Raises InvalidSpec where `changes` is no object.
    """
    if not isinstance(changes, dict):
        raise InvalidSpec([Problem("", "must be a JSON object")])
    if "api_url" in changes and "function_code" not in changes and "function_code" in raw:
        raw = {name: value for name, value in raw.items() if name not in BODY_FIELDS[Kind.CODE]}
    elif "function_code" in changes and "api_url" not in changes and "api_url" in raw:
        raw = {name: value for name, value in raw.items() if name not in BODY_FIELDS[Kind.API]}
    return {**raw, **changes}


def is_schedule(raw: Any) -> bool:
    """Whether a task's body asks for a scheduled task."""
    return isinstance(raw, dict) and raw.get("task_type") == TaskType.SCHEDULED


def _parse(model: type[Spec], raw: Any, rules: Rules) -> Spec:
    if not isinstance(raw, dict):
        raise InvalidSpec([Problem("", "must be a JSON object")])
    fields = {name: value for name, value in raw.items() if value is not None}
    problems = rules(fields)
    named = {problem.field for problem in problems}
    try:
        spec = model.model_validate(fields)
    except ValidationError as error:
        found = problems_of(error)
        problems = [*(problem for problem in found if problem.field not in named), *problems]
    if problems:
        raise InvalidSpec(problems)
    return spec


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's findings in the contract's shape: one per field, the field by its path."""
    problems: dict[str, Problem] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        field = _path(detail["loc"])
        message = "is not a field" if detail["type"] == "extra_forbidden" else _sentence(detail["msg"])
        problems.setdefault(field, Problem(field, message))
    return list(problems.values())


def _path(location: tuple[int | str, ...]) -> str:
    """`tags[2]`, `headers.X-Id`; without the names of a union's members, which pydantic puts last."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not text:
            text = step[:100]
        elif "constrained-" not in step and step not in ("int", "str"):
            text += f".{step[:100]}"
    return text


def _sentence(message: str) -> str:
    if message == "Field required":
        return "is required"
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:] if text.startswith(("String", "List", "Dictionary")) else text


def _kind_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """Exactly one kind, and no field of the other."""
    has_code, has_url = "function_code" in fields, "api_url" in fields
    if has_code and has_url:
        message = "a task has either function_code or api_url, not both"
        return [Problem("function_code", message), Problem("api_url", message)]
    if not has_code and not has_url:
        return [Problem("function_code", "is required, or api_url")]
    if has_url:
        return [Problem(name, "is for code tasks only") for name in CODE_FIELDS if name in fields]
    problems = [Problem(name, "is for API tasks only") for name in API_FIELDS if name in fields]
    if "function_name" not in fields:
        problems.append(Problem("function_name", "is required with function_code"))
    return problems + _arguments_problems(fields)


def _arguments_problems(fields: Mapping[str, Any]) -> list[Problem]:
    size = sum(len(json.dumps(fields.get(name, "")).encode()) for name in ("args", "kwargs"))
    if size <= MAX_ARGS_BYTES:
        return []
    message = f"args and kwargs together must have at most {MAX_ARGS_BYTES} bytes as JSON"
    return [Problem(name, message) for name in ("args", "kwargs") if name in fields]


def _number_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """JSON may write 1e999, which becomes an infinity here; as that it could never be told back as JSON."""
    message = "holds a number that is too large"
    return [Problem(name, message) for name in ("args", "kwargs", "data") if not _is_finite(fields.get(name))]


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _delay_problems(fields: Mapping[str, Any], now_ms: int) -> list[Problem]:
    """`delay_seconds` or `run_at` with delayed, neither with immediate."""
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


class PreviewSpec(BaseModel):
    """The body of `POST /api/cron/preview`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cron_expression: str = Field(min_length=1, max_length=200, description="As of a scheduled task.")
    timezone: str | None = Field(None, max_length=64, description="IANA name; default: the service's.")
    count: int = Field(5, ge=1, le=100, description="How many firings.")


def parse_preview(raw: Any, inspect: Rules) -> PreviewSpec:
    """The spec in `raw`, or InvalidSpec with every problem, those that `inspect` finds included."""
    return _parse(PreviewSpec, raw, inspect)
