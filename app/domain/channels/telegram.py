"""Chats of Telegram, by its Bot API.

No `parse_mode`: entities beside the text say what is bold or code, so the text itself can't contain markup. Previews
of links are off.
"""

from __future__ import annotations

from typing import Any

from app.domain.channels.notice import Message
from app.domain.channels.plain import detail_of, dump, facts_of, headline_of
from app.domain.channels.sending import Answer, HttpMessage, Sending, Verdict, by_status
from app.domain.channels.spec import TelegramChannel

_MEANINGS = {
    401: "Telegram does not know the bot: check the token",
    403: "the bot may not write to the chat",
    404: "Telegram does not know the bot: check the token",
}


def request_of(channel: TelegramChannel, message: Message, _: Sending) -> HttpMessage:
    """The POST for a message."""
    text = _Text()
    text.add(headline_of(message), "bold")
    for label, value in facts_of(message):
        text.add(f"\n{label}: ")
        text.add(value, "code")
    if detail := detail_of(message):
        text.add("\n\n")
        text.add(detail, "pre")
    if message.link:
        text.add("\n\n")
        text.add(message.link_label, "text_link", url=message.link)
    body = {
        "chat_id": channel.chat_id,
        "text": text.text,
        "entities": text.entities,
        "link_preview_options": {"is_disabled": True},
    }
    return HttpMessage(f"{channel.url.rstrip('/')}/bot{channel.secret}/sendMessage", dump(body))


def verdict_of(answer: Answer) -> Verdict:
    """Telegram speaks by status; a body says how long to wait, and where a group has moved."""
    found = by_status(answer)
    body = answer.body if isinstance(answer.body, dict) else {}
    if found.is_delivered:
        return found if body.get("ok") is True else Verdict(is_delivered=False, error="the answer is not Telegram's")
    parameters = body.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    seconds = parameters.get("retry_after")
    if answer.status_code == 429 and isinstance(seconds, int) and not isinstance(seconds, bool):
        return Verdict(is_delivered=False, retry_after_seconds=float(max(1, seconds)), error="too many messages (429)")
    if isinstance(parameters.get("migrate_to_chat_id"), int):
        return Verdict(is_delivered=False, is_final=True, error="the group has become a supergroup: change chat_id")
    meaning = _MEANINGS.get(answer.status_code)
    if meaning is None:
        return found
    return Verdict(is_delivered=False, is_final=True, error=f"{meaning} ({answer.status_code})")


class _Text:
    """Text and its entities. Their places count UTF-16 units."""

    def __init__(self) -> None:
        self.text = ""
        self.entities: list[dict[str, Any]] = []

    def add(self, text: str, kind: str = "", **more: str) -> None:
        """Add text, as an entity of a kind unless that is ""."""
        if kind and text:
            entity = {"type": kind, "offset": _units(self.text), "length": _units(text), **more}
            self.entities.append(entity)
        self.text += text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
