"""API tasks: one HTTP request, redirects included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.checks import Fields, finite_problems
from app.domain.errors import Problem
from app.domain.fields import IN_BODY, SECRET_IN_BODY
from app.domain.kinds.api_checks import ExpectedBody, ExpectedStatus, Headers, HttpMethod, Params, Patterns, Url
from app.domain.kinds.kind import Absent, KindSpec, sometimes
from app.domain.payload import encoded
from app.domain.retry import DEFAULT_RETRY_ON
from app.domain.status import Kind


class ApiFields(Fields):
    """What an API task has beside the fields of every task."""

    api_url: Annotated[Url | None, IN_BODY] = Field(None, description="API: an http or https URL, at most 8 KiB.")
    method: Annotated[HttpMethod, IN_BODY] = Field("GET", description="API: the request's method.")
    headers: Annotated[Headers, SECRET_IN_BODY] = Field(
        {}, description="API: the request's headers. Numbers and booleans are sent as their JSON text."
    )
    params: Annotated[Params, IN_BODY] = Field(
        {}, description="API: added to the URL's query. An array repeats its name for each element."
    )
    data: Annotated[Any, IN_BODY] = Field(
        None, description="API: the body. An object or array is sent as JSON or as a form, a string as it is."
    )
    follow_redirects: Annotated[bool, IN_BODY] = Field(
        True, description="API: false: a redirect is the answer. So is one whose status is expected."
    )
    expected_status: Annotated[ExpectedStatus, IN_BODY] = Field(
        ["2xx"], description="API: statuses that count as success: codes and ranges."
    )
    expected_body: Annotated[ExpectedBody | None, IN_BODY] = Field(
        None, description="API: what the body must contain, or the values at JSON pointers in it."
    )
    retry_on: Annotated[Patterns, IN_BODY] = Field(
        list(DEFAULT_RETRY_ON), description="API: statuses that are worth a retry."
    )


class RedirectFollowed(BaseModel):
    """A redirect, and the request that followed it."""

    model_config = ConfigDict(extra="forbid")

    status_code: int
    method: str
    url: str


class ApiResult(BaseModel):
    """What the target of an API task answered."""

    model_config = ConfigDict(extra="forbid")

    status_code: int = Field(ge=100, le=999)
    headers: dict[str, str | list[str]] = Field(description="A header that came more than once has an array.")
    body: Any = Field(description="Parsed JSON, or text, or base64 (then body_encoding says so).")
    body_truncated: bool
    body_encoding: Literal["base64"] | Absent = sometimes("Only where the body is neither JSON nor text.")
    url: str = Field(description="The final URL, after redirects.")
    redirects: list[RedirectFollowed] = Field(description="The redirects that were followed, in order.")
    elapsed_ms: float = Field(ge=0)


def _problems(fields: Mapping[str, Any]) -> list[Problem]:
    return finite_problems(fields, "data", "expected_body") or _body_problems(fields)


def _body_problems(fields: Mapping[str, Any]) -> list[Problem]:
    """A body that its content type can't carry would be sent under a false name."""
    if fields.get("data") is None:
        return []
    try:
        encoded(fields["data"], _content_type(fields.get("headers")))
    except ValueError as error:
        return [Problem("data", str(error))]
    return []


def _content_type(headers: Any) -> str | None:
    """The last Content-Type that the task sets, as the client sends it; None where there is none."""
    given = headers.items() if isinstance(headers, dict) else ()
    types = [value for name, value in given if name.lower() == "content-type" and isinstance(value, str)]
    return types[-1] if types else None


API = KindSpec(
    kind=Kind.API,
    label="API",
    noun="Api",
    fields=ApiFields,
    marker="api_url",
    queue="celeriac.api",
    is_repeatable=False,
    concurrency_setting="api_concurrency",
    executor="tasks.executors.api:make_executor",
    problems=_problems,
    result=ApiResult | None,
    result_description="Kept beside the error where the task failed.",
    example={"name": "ping", "api_url": "https://example.com/hook", "method": "POST", "data": {"hello": "world"}},
)
