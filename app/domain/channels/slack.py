"""Incoming webhooks of Slack.

Everything that may be hostile is in `plain_text` and in text elements of `rich_text`, which Slack shows as they are.
The `text` beside the blocks, for the pop-up on a phone, has `&`, `<` and `>` escaped as Slack asks for.
"""

from __future__ import annotations

from typing import Any

from app.domain.channels.notice import Message
from app.domain.channels.plain import detail_of, dump, facts_of, headline_of
from app.domain.channels.sending import Answer, HttpMessage, Sending, Verdict, by_status
from app.domain.channels.spec import SlackChannel

Json = dict[str, Any]


def request_of(channel: SlackChannel, message: Message, _: Sending) -> HttpMessage:
    """The POST for a message."""
    headline = headline_of(message)
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": False}},
        {"type": "rich_text", "elements": _elements(message)},
    ]
    return HttpMessage(channel.url, dump({"text": _escaped(headline), "blocks": blocks}))


def verdict_of(answer: Answer) -> Verdict:
    """Slack speaks by status; 429 comes with Retry-After."""
    return by_status(answer)


def _elements(message: Message) -> list[Json]:
    facts = [
        element
        for label, value in facts_of(message)
        for element in (_text(f"{label}: ", bold=True), _text(f"{value}\n"))
    ]
    elements: list[Json] = [{"type": "rich_text_section", "elements": facts}]
    if detail := detail_of(message):
        elements.append({"type": "rich_text_preformatted", "elements": [_text(detail)]})
    if message.link:
        link = {"type": "link", "url": message.link, "text": message.link_label}
        elements.append({"type": "rich_text_section", "elements": [link]})
    return elements


def _text(text: str, *, bold: bool = False) -> Json:
    return {"type": "text", "text": text, **({"style": {"bold": True}} if bold else {})}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
