"""Messages as plain text, for chats whose own markup has no way to escape it."""

from __future__ import annotations

import json
from typing import Any

from app.domain.channels.notice import Message
from app.domain.channels.text import cut, defused, lines, one_line

HEADLINE_CHARACTERS = 150
FACT_CHARACTERS = 200
DETAIL_CHARACTERS = 1_000


def headline_of(message: Message) -> str:
    """The headline in one line, harmless. It is within the limit with the gaps: Slack takes no longer ones."""
    return cut(defused(one_line(message.headline, HEADLINE_CHARACTERS)), HEADLINE_CHARACTERS)


def facts_of(message: Message) -> list[tuple[str, str]]:
    """(label, value) in one line each, harmless."""
    return [(label, defused(one_line(value, FACT_CHARACTERS))) for label, value in message.facts]


def detail_of(message: Message) -> str:
    """The detail, short and harmless; "" if there is none."""
    return defused(lines(message.detail, DETAIL_CHARACTERS))


def plain_text(message: Message) -> str:
    """The whole message, with the link on a line of its own at the end."""
    parts = [headline_of(message), *(f"{label}: {value}" for label, value in facts_of(message))]
    if detail := detail_of(message):
        parts += ["", detail]
    if message.link:
        parts += ["", f"{message.link_label}: {message.link}"]
    return "\n".join(parts)


def dump(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
