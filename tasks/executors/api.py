"""API tasks: one HTTP request, redirects included."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from app.domain.outcome import Failure, Outcome
from app.domain.retry import NON_RETRYABLE_HEADER
from app.domain.statuscodes import matches
from app.settings import Settings
from app.store.tasks import Attempt
from app.usecases.dispatch import retry_policy
from app.version import VERSION
from tasks.http import AddressPolicy, CallError, Cancel, Cancelled, HttpClient, Request, Response

#: Failures of a call that another attempt may not have: no answer came, or too late.
_PASSING = frozenset({"ConnectionError", "TimeoutError"})


class ApiExecutor:
    """Sends requests through the address-checked client."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def start(self) -> None:
        """Nothing to get ready: connections are made when they are needed."""

    def close(self) -> None:
        self._client.close()

    def facts(self) -> dict[str, Any]:
        return {}

    def new_cancel(self) -> Cancel:
        return Cancel()

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        try:
            response = self._client.call(_request(attempt), cancel)
        except Cancelled:
            return Outcome(stopped=True)
        except CallError as error:
            return Outcome(failure=Failure(error.type, error.message), retryable=error.type in _PASSING)
        return _outcome(attempt, response)


def make_executor(settings: Settings) -> ApiExecutor:
    """The executor with a client as the settings want it."""
    policy = AddressPolicy(
        allow_private=settings.loopback_only,
        allowed_networks=settings.http_allowed_networks,
        denied_networks=settings.http_denied_networks,
        allowed_ports=settings.http_allowed_ports,
    )
    client = HttpClient(
        policy,
        max_body_bytes=settings.http_response_bytes,
        ca_bundle=settings.http_ca_bundle or None,
        proxy_url=settings.http_proxy_url or None,
    )
    return ApiExecutor(client)


def _request(attempt: Attempt) -> Request:
    spec = attempt.spec
    own = {
        "User-Agent": f"Celeriac/{VERSION}",
        "Celeriac-Task-Id": attempt.task_id,
        "Celeriac-Attempt": str(attempt.number),
        "Idempotency-Key": attempt.task_id,
    }
    given = {name.lower() for name in spec["headers"]}
    replaceable = {"user-agent", "idempotency-key"}  # the other two are ours to say
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
    )


def _outcome(attempt: Attempt, response: Response) -> Outcome:
    result_json = json.dumps(response.as_result(), ensure_ascii=False).encode()
    if matches(response.status_code, attempt.spec["expected_status"]):
        return Outcome(result_json=result_json)
    headers = {name.lower(): value for name, value in response.headers.items()}
    policy = retry_policy(attempt.spec)
    non_retryable = headers.get(NON_RETRYABLE_HEADER, "").strip().lower() == "true"
    return Outcome(
        result_json=result_json,
        failure=Failure("HTTPStatusError", f"the target answered {response.status_code}"),
        retryable=policy.retries_answer(response.status_code, non_retryable),
        retry_after_seconds=retry_after_seconds(headers, time.time()),
    )


def retry_after_seconds(headers: Mapping[str, str], now_seconds: float) -> float | None:
    """What `Retry-After` (RFC 9110: seconds, or a date) asks for, from now on; None without a valid one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_seconds)
