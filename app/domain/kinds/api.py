"""API tasks: one HTTP request, redirects included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.checks import Fields, finite_problems
from app.domain.errors import Problem
from app.domain.fields import HIDDEN, IN_BODY, SECRET_IN_BODY, fresh, in_record
from app.domain.kinds.api_checks import ExpectedBody, ExpectedStatus, Headers, HttpMethod, Params, RetriedStatus, Url
from app.domain.kinds.kind import Absent, KindSpec, sometimes
from app.domain.payload import encoded, text_of
from app.domain.retry import DEFAULT_RETRY_ON
from app.domain.status import Kind


class ApiFields(Fields):
    """The fields of API tasks."""

    api_url: Annotated[Url | None, in_record("u")] = Field(
        None, description="API: an http or https URL of at most 8 KiB."
    )
    method: Annotated[HttpMethod, in_record("me")] = Field(
        "GET", description="API: the method of the request, in any case."
    )
    headers: Annotated[Headers, SECRET_IN_BODY] = fresh(
        dict,
        description=(
            "API: the headers of the request. Numbers and booleans are sent as their JSON text. "
            "In a change, `***` keeps the value that a header has."
        ),
    )
    params: Annotated[Params, IN_BODY] = fresh(
        dict,
        description=(
            "API: parameters that are added to the query of the URL. An array repeats its name for each element."
        ),
    )
    data: Annotated[Any, IN_BODY] = Field(
        None,
        description=(
            "API: the body. An object or array is sent as JSON or, depending on "
            "Content-Type, as a form; a string is sent as is."
        ),
    )
    follow_redirects: Annotated[bool, IN_BODY] = Field(
        True, description="API: if false, a redirect is the response. So is a redirect whose status is expected."
    )
    expected_status: Annotated[ExpectedStatus, IN_BODY] = fresh(
        lambda: ["2xx"], description="API: the status codes and ranges that count as success."
    )
    expected_body: Annotated[ExpectedBody | None, IN_BODY] = Field(
        None, description="API: text that the body must contain, or the values at JSON pointers in it."
    )
    retry_on: Annotated[RetriedStatus, IN_BODY] = fresh(
        lambda: list(DEFAULT_RETRY_ON),
        description="API: the status codes and ranges that are retried. Failed connections and timeouts always are.",
    )


class RedirectFollowed(BaseModel):
    """A redirect, and the request that followed it."""

    model_config = ConfigDict(extra="forbid")

    status_code: int
    method: str
    url: str


class ApiResult(BaseModel):
    """The response of an API task's target."""

    model_config = ConfigDict(extra="forbid")

    status_code: int = Field(ge=100, le=999)
    headers: dict[str, str | list[str]] = Field(
        description="The value of a header that came more than once is an array."
    )
    body: Any = Field(description="Parsed JSON, text, or base64 (see body_encoding).")
    body_truncated: bool
    body_encoding: Literal["base64"] | Absent = sometimes("Present only if the body is neither JSON nor text.")
    url: str = Field(description="The final URL, after redirects.")
    redirects: list[RedirectFollowed] = Field(description="The redirects that were followed, in order.")
    elapsed_ms: float = Field(ge=0)


def _problems(fields: Mapping[str, Any]) -> list[Problem]:
    problems = finite_problems(fields, "data", "expected_body") or _body_problems(fields)
    return [*problems, *_hidden_problems(fields.get("headers"))]


def _hidden_problems(headers: Any) -> list[Problem]:
    """Refuse what responses show in place of values: copied into a new task, it would be sent as a credential."""
    given = headers.items() if isinstance(headers, dict) else ()
    message = f"is {HIDDEN}, which responses show in its place: give the value itself"
    return [Problem(f"headers.{name[:100]}", message) for name, value in given if value == HIDDEN]


def _body_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """Refuse a body that does not fit its content type."""
    if fields.get("data") is None:
        return []
    try:
        encoded(fields["data"], _content_type(fields.get("headers")))
    except ValueError as error:
        return [Problem("data", str(error))]
    return []


def _content_type(headers: Any) -> str | None:
    """Return the Content-Type that the client sends: the last one of the task, or None."""
    given = headers.items() if isinstance(headers, dict) else ()
    types = [value for name, value in given if name.lower() == "content-type" and isinstance(value, str | int | float)]
    return text_of(types[-1]) if types else None


API = KindSpec(
    kind=Kind.API,
    label="API",
    noun="Api",
    fields=ApiFields,
    marker="api_url",
    queue="celeriac.api",
    summary=("method", "api_url"),
    is_repeatable=False,
    concurrency_setting="api_concurrency",
    executor="tasks.executors.api:make_executor",
    problems=_problems,
    result=ApiResult | None,
    result_description="The response of the target. Present even if the task failed because of it.",
    example={"name": "ping", "api_url": "https://example.com/hook", "method": "POST", "data": {"hello": "world"}},
)
