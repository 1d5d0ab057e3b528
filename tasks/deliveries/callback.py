"""Callbacks: the finished task, posted to its `callback_url` as Standard Webhooks has it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from app.domain.webhooks import WebhookSecret, webhook_headers
from app.usecases.deliveries import callback_body
from app.version import VERSION
from tasks.deliveries.channel import HttpChannel, Notice, Verdict
from tasks.http import Cancel, HttpClient, Request

logger = logging.getLogger("celeriac.deliveries")


class Callback(HttpChannel):
    """Posts finished tasks. Each try is signed anew, with all current secrets."""

    def __init__(self, client: HttpClient, secrets: Sequence[WebhookSecret]) -> None:
        super().__init__(client)
        self._secrets = secrets
        self._has_warned = False

    def send(self, notice: Notice, cancel: Cancel) -> Verdict:
        if notice.task is None:
            return Verdict.failed(None, "the task was removed before it could be told of")
        if not self._secrets and not self._has_warned:
            self._has_warned = True
            words = "callbacks are sent without a signature: CALLBACK_SECRETS is empty"
            logger.warning(words, extra={"action": "callbacks_unsigned"})
        return super().send(notice, cancel)

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
                "User-Agent": f"Celeriac/{VERSION}",
                **webhook_headers(delivery.event_id, notice.now_ms // 1000, body, self._secrets),
            },
            params={},
            data=body,
            timeout_seconds=notice.timeout_seconds,
            follow_redirects=False,
        )
