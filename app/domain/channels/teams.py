"""Workflows of Microsoft Teams ("When a Teams webhook request is received"), with an adaptive card.

Everything that may be hostile is in text runs, which know no Markdown. Mentions would need entities beside the card.
"""

from __future__ import annotations

from typing import Any

from app.domain.channels.notice import Message
from app.domain.channels.plain import detail_of, dump, facts_of, headline_of
from app.domain.channels.sending import Answer, HttpMessage, Sending, Verdict, by_status
from app.domain.channels.spec import TeamsChannel

Json = dict[str, Any]


def request_of(channel: TeamsChannel, message: Message, _: Sending) -> HttpMessage:
    """The POST for a message."""
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": _body(message),
        "actions": [{"type": "Action.OpenUrl", "title": message.link_label, "url": message.link}]
        if message.link
        else [],
        "msteams": {"width": "Full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return HttpMessage(channel.url, dump({"type": "message", "attachments": [attachment]}))


def verdict_of(answer: Answer) -> Verdict:
    """A workflow answers 202 as soon as it has the request."""
    return by_status(answer)


def _body(message: Message) -> list[Json]:
    rows = [_row(_run(headline_of(message), size="Large", weight="Bolder"))]
    rows += [_row(_run(f"{label}: ", weight="Bolder"), _run(value)) for label, value in facts_of(message)]
    detail = detail_of(message)
    rows += [_row(_run(line, fontType="Monospace")) for line in detail.split("\n") if line]
    return rows


def _row(*runs: Json) -> Json:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: str) -> Json:
    return {"type": "TextRun", "text": text, **style}
