"""Callbacks: the finished task, posted to its `callback_url` as Standard Webhooks has it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.domain.webhooks import WebhookSecret, webhook_headers
from app.store.record import Task
from app.usecases.deliveries import callback_body
from tasks.deliveries.channel import Effect, HttpChannel, Notice, Verdict
from tasks.executors.client import USER_AGENT
from tasks.executors.steps import shown_url
from tasks.http import Cancel, HttpClient, Request

if TYPE_CHECKING:
    from app.tracing.spans import Tracing, Value

logger = logging.getLogger("celeriac.deliveries")


class Callback(HttpChannel):
    """Posts finished tasks. Each try is signed anew, with all current secrets."""

    def __init__(self, client: HttpClient, secrets: Sequence[WebhookSecret], tracing: Tracing | None = None) -> None:
        super().__init__(client)
        self._tracing = tracing
        self._secrets = secrets
        self._has_warned = False

    def send(self, notice: Notice, cancel: Cancel) -> Verdict:
        if notice.task is None:
            return Verdict.failed(None, "the task was removed before it could be told of")
        if not self._secrets and not self._has_warned:
            self._has_warned = True
            words = "callbacks are sent without a signature: CALLBACK_SECRETS is empty"
            logger.warning(words, extra={"action": "callbacks_unsigned"})
        if self._tracing is None:
            return super().send(notice, cancel)
        return self._send_traced(self._tracing, notice.task, notice, cancel)

    def _send_traced(self, tracing: Tracing, task: Task, notice: Notice, cancel: Cancel) -> Verdict:
        """Send it in a span of its own, which is linked to the request that asked for the task."""
        values: dict[str, Value] = {
            "http.request.method": "POST",
            "url.full": shown_url(notice.delivery.url or ""),
            "messaging.message.id": notice.delivery.event_id,
            "celeriac.task.id": task.id,
            "celeriac.delivery.id": notice.delivery.id,
            "celeriac.delivery.try": notice.delivery.tried + 1,
        }
        span = tracing.begin_linked("callback", values, task.trace, is_call=True)
        with span.as_current():
            verdict = super().send(notice, cancel)
            if verdict.status is not None:
                span.set({"http.response.status_code": verdict.status})
            if verdict.effect is not Effect.DELIVERED:
                span.fail(verdict.effect.name.lower() if verdict.status is None else str(verdict.status))
        return verdict

    def request(self, notice: Notice) -> Request:
        delivery, task = notice.delivery, notice.task
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
                **webhook_headers(delivery.event_id, notice.now_ms // 1000, body, self._secrets),
            },
            params={},
            data=body,
            timeout_seconds=notice.timeout_seconds,
            follow_redirects=False,
        )
