"""Any receiver of JSON: `{"type": "alert.failed", "timestamp", "data"}`, signed as Standard Webhooks has it.

The data is for programs, so it holds the facts as they are, hostile text included.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.domain.channels.notice import Message
from app.domain.channels.plain import dump
from app.domain.channels.sending import Answer, HttpMessage, Sending, Verdict, by_status
from app.domain.channels.spec import WebhookChannel
from app.domain.times import to_rfc3339
from app.domain.webhooks import WebhookSecret, is_final, webhook_headers

REASON_CHARACTERS = 4_000


def request_of(channel: WebhookChannel, message: Message, sending: Sending) -> HttpMessage:
    """The POST for a message: its facts, not its words."""
    notice = message.notice
    body = dump({"type": notice.event_type, "timestamp": to_rfc3339(notice.at_ms), "data": _data(message)})
    secrets = [] if channel.secret is None else [WebhookSecret.parse(channel.secret)]
    return HttpMessage(channel.url, body, webhook_headers(sending.id, sending.now_ms // 1000, body, secrets))


def verdict_of(answer: Answer) -> Verdict:
    """2xx is success, some answers are final, anything else is tried again: as for callbacks."""
    found = by_status(answer)
    return found if found.is_delivered else replace(found, is_final=is_final(answer.status_code))


def _data(message: Message) -> dict[str, Any]:
    notice = message.notice
    return {
        "subject": notice.subject,
        "reason": notice.reason[:REASON_CHARACTERS] or None,
        "task_id": notice.task_id or None,
        "scheduled_task_id": notice.scheduled_task_id or None,
        "schedule": notice.schedule or None,
        "count": notice.count,
        "since": to_rfc3339(notice.since_ms) if notice.since_ms else None,
        "link": message.link or None,
    }
