"""API tasks: one HTTP request, redirects included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.checks import Fields, Headers, Params, Patterns, Url, finite_problems
from app.domain.errors import Problem
from app.domain.fields import IN_BODY, SECRET_IN_BODY
from app.domain.kinds.kind import Absent, KindSpec, sometimes
from app.domain.retry import DEFAULT_RETRY_ON
from app.domain.status import Kind

HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class ApiFields(Fields):
    """What an API task has beside the fields of every task."""

    api_url: Annotated[Url | None, IN_BODY] = Field(None, description="API: an http or https URL, at most 8 KiB.")
    method: Annotated[HttpMethod, IN_BODY] = Field("GET", description="API: the request's method.")
    headers: Annotated[Headers, SECRET_IN_BODY] = Field({}, description="API: the request's headers.")
    params: Annotated[Params, IN_BODY] = Field({}, description="API: added to the URL's query.")
    data: Annotated[Any, IN_BODY] = Field(
        None, description="API: an object or array is sent as JSON, a string as it is."
    )
    expected_status: Annotated[Patterns, IN_BODY] = Field(["2xx"], description="API: statuses that count as success.")
    retry_on: Annotated[Patterns, IN_BODY] = Field(
        list(DEFAULT_RETRY_ON), description="API: statuses that are worth a retry."
    )


class ApiResult(BaseModel):
    """What the target of an API task answered."""

    model_config = ConfigDict(extra="forbid")

    status_code: int = Field(ge=100, le=599)
    headers: dict[str, str]
    body: Any = Field(description="Parsed JSON, or text, or base64 (then body_encoding says so).")
    body_truncated: bool
    body_encoding: Literal["base64"] | Absent = sometimes("Only where the body is neither JSON nor text.")
    url: str = Field(description="The final URL, after redirects.")
    elapsed_ms: float = Field(ge=0)


def _problems(fields: Mapping[str, Any]) -> list[Problem]:
    return finite_problems(fields, "data")


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
