"""API tasks: one HTTP request, redirects included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from app.clock import system_clock
from app.domain.outcome import Failure, Outcome
from app.domain.retry import NON_RETRYABLE_HEADER, NON_RETRYABLE_STATUS, RetryPolicy
from app.domain.statuscodes import matches
from app.domain.times import to_rfc3339
from app.domain.trace import PARENT_HEADER, STATE_HEADER
from app.settings import Settings
from app.store.tasks import Attempt
from tasks.executors.client import USER_AGENT, make_client
from tasks.executors.expected_body import mismatch
from tasks.executors.steps import DEFECT, HttpSteps
from tasks.http import CallError, Cancel, Cancelled, HttpClient, Request, Response, retry_after_seconds

if TYPE_CHECKING:
    from app.tracing.spans import Tracing

#: Failures that another attempt may not have: no answer came, or it came too late.
_PASSING = frozenset({"ConnectionError", "TimeoutError"})

REDIRECTS = range(300, 400)
NO_HEADERS: Mapping[str, str] = {}


class ApiExecutor:
    """Sends requests through the address-checked client."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._tracing: Tracing | None = None

    def trace_with(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def start(self) -> None:
        """Nothing to get ready: connections are made when they are needed."""

    def close(self) -> None:
        self._client.close()

    def facts(self) -> dict[str, Any]:
        return {}

    def new_cancel(self) -> Cancel:
        return Cancel()

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        if self._tracing is None:
            return self._execute(attempt, cancel, NO_HEADERS, None)
        span = self._tracing.current()
        steps = HttpSteps(span)
        error_type: str | None = DEFECT
        try:
            outcome = self._execute(attempt, cancel, span.headers, steps)
            failure = outcome.failure if outcome.result_json is None else None  # an answer speaks for itself
            error_type = None if failure is None else failure.type
        finally:
            steps.end(error_type)
        return outcome

    def _execute(
        self, attempt: Attempt, cancel: Cancel, trace_headers: Mapping[str, str], steps: HttpSteps | None
    ) -> Outcome:
        try:
            response = self._client.call(_request(attempt, trace_headers), cancel, steps)
        except Cancelled:
            return Outcome(stopped=True)
        except CallError as error:
            return Outcome(failure=Failure(error.type, error.message), retryable=error.type in _PASSING)
        return _outcome(attempt, response)


def make_executor(settings: Settings) -> ApiExecutor:
    """The executor with a client as the settings want it."""
    return ApiExecutor(make_client(settings, settings.http_response_bytes))


def _request(attempt: Attempt, trace_headers: Mapping[str, str]) -> Request:
    spec = attempt.spec
    own = {
        "User-Agent": USER_AGENT,
        "Celeriac-Task-Id": attempt.task_id,
        "Celeriac-Attempt": str(attempt.number),
        "Idempotency-Key": attempt.task_id,
    }
    if attempt.scheduled_at_ms is not None:
        own["Celeriac-Scheduled-At"] = to_rfc3339(attempt.scheduled_at_ms)
    given = {name.lower() for name in spec["headers"]}
    if PARENT_HEADER not in given:  # the two belong together
        own |= trace_headers
    replaceable = {"user-agent", "idempotency-key", STATE_HEADER}  # a task can't set the others
    headers = {name: value for name, value in spec["headers"].items() if not name.lower().startswith("celeriac-")}
    headers |= {
        name: value for name, value in own.items() if not (name.lower() in replaceable and name.lower() in given)
    }
    return Request(
        method=spec["method"],
        url=spec["api_url"],
        headers=headers,
        params=spec["params"],
        data=spec["data"],
        timeout_seconds=attempt.timeout,
        follow_redirects=spec["follow_redirects"],
        final_statuses=frozenset(code for code in REDIRECTS if matches(code, spec["expected_status"])),
    )


def _outcome(attempt: Attempt, response: Response) -> Outcome:
    result_json = to_json(response.as_result())
    failure = _failure(attempt, response)
    if failure is None:
        return Outcome(result_json=result_json)
    return Outcome(
        result_json=result_json,
        failure=failure,
        retryable=_is_retryable(attempt, response, failure),
        retry_after_seconds=retry_after_seconds(response.header("Retry-After"), system_clock()),
    )


def _failure(attempt: Attempt, response: Response) -> Failure | None:
    """Return how the answer differs from what the task expects, or None."""
    if not matches(response.status_code, attempt.spec["expected_status"]):
        return Failure("HTTPStatusError", f"the target answered {response.status_code}")
    expected_body = attempt.spec["expected_body"]
    wrong = mismatch(expected_body, response) if expected_body else None
    return None if wrong is None else Failure("BodyError", wrong)


def _is_retryable(attempt: Attempt, response: Response, failure: Failure) -> bool:
    """Tell whether another attempt makes sense: by status; always for an unexpected body, unless the target objects."""
    asks_for_none = (response.header(NON_RETRYABLE_HEADER) or "").strip().lower() == "true"
    if failure.type == "BodyError":
        return not asks_for_none and response.status_code != NON_RETRYABLE_STATUS
    return RetryPolicy.of(attempt.spec).retries_answer(response.status_code, asks_for_none)
