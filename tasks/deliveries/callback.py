"""Callbacks: the finished task, posted to its `callback_url` as Standard Webhooks has it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.clock import system_clock
from app.domain.deliveries import PAUSES_SECONDS
from app.domain.webhooks import WebhookSecret, is_final, webhook_headers
from app.store.record import Task
from app.usecases.deliveries import callback_body
from tasks.deliveries.channel import DueDelivery, Effect, Verdict
from tasks.executors.client import USER_AGENT
from tasks.http import CallError, Cancel, HttpClient, Request, Response, retry_after_seconds, shown_url

if TYPE_CHECKING:
    from app.tracing.spans import Tracing, Value

logger = logging.getLogger("celeriac.deliveries")


class Callback:
    """A channel (channel.py) that posts finished tasks. Each try is signed anew, with all current secrets."""

    pauses_seconds: Sequence[float] = PAUSES_SECONDS

    def __init__(self, client: HttpClient, secrets: Sequence[WebhookSecret], tracing: Tracing | None = None) -> None:
        self._client = client
        self._tracing = tracing
        self._secrets = secrets
        self._has_warned = False

    def send(self, due: DueDelivery, cancel: Cancel) -> Verdict:
        if due.task is None:
            return Verdict.failed(None, "the task was removed before it could be told of")
        if not self._secrets and not self._has_warned:
            self._has_warned = True
            words = "callbacks are sent without a signature: CALLBACK_SECRETS is empty"
            logger.warning(words, extra={"action": "callbacks_unsigned"})
        if self._tracing is None:
            return self._post(due, cancel)
        return self._send_traced(self._tracing, due.task, due, cancel)

    def _send_traced(self, tracing: Tracing, task: Task, due: DueDelivery, cancel: Cancel) -> Verdict:
        """Send it in a span of its own, which is linked to the request that asked for the task."""
        values: dict[str, Value] = {
            "http.request.method": "POST",
            "url.full": shown_url(due.delivery.url or ""),
            "messaging.message.id": due.delivery.event_id,
            "celeriac.task.id": task.id,
            "celeriac.delivery.id": due.delivery.id,
            "celeriac.delivery.try": due.delivery.tried + 1,
        }
        span = tracing.begin_linked("callback", values, task.trace, is_call=True)
        with span.as_current():
            verdict = self._post(due, cancel)
            if verdict.status is not None:
                span.set({"http.response.status_code": verdict.status})
            if verdict.effect is not Effect.DELIVERED:
                span.fail(verdict.effect.name.lower() if verdict.status is None else str(verdict.status))
        return verdict

    def _post(self, due: DueDelivery, cancel: Cancel) -> Verdict:
        try:
            answer = self._client.call(self._request(due), cancel)
        except CallError as error:
            return Verdict.no_answer(error)
        return _judge(answer)

    def _request(self, due: DueDelivery) -> Request:
        delivery, task = due.delivery, due.task
        assert task is not None
        assert delivery.url is not None
        body = callback_body(delivery, task)
        return Request(
            method="POST",
            url=delivery.url,
            headers={
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
                **({} if self._tracing is None else self._tracing.current().headers),
                **webhook_headers(delivery.event_id, due.now_ms // 1000, body, self._secrets),
            },
            params={},
            data=body,
            timeout_seconds=due.timeout_seconds,
            follow_redirects=False,
        )


def _judge(answer: Response) -> Verdict:
    """What the answer means: 2xx is success, some answers are final, anything else is tried again."""
    status = answer.status_code
    error = f"the receiver answered {status}"
    if 200 <= status < 300:
        return Verdict.delivered(status)
    if is_final(status):
        return Verdict.failed(status, error)
    return Verdict.again(status, error, retry_after_seconds(answer.header("Retry-After"), system_clock()))
