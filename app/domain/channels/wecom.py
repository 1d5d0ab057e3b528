"""Group bots of WeCom.

Messages are of type `text`: its Markdown has no escape, and `<@userid>` in it mentions people.
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.channels.notice import Message
from app.domain.channels.plain import DETAIL_CHARACTERS, dump, plain_text
from app.domain.channels.sending import Answer, Codes, HttpMessage, Sending, Verdict
from app.domain.channels.spec import WecomChannel
from app.domain.channels.text import cut_bytes, lines

MAX_CONTENT_BYTES = 2048
_CODES = Codes(
    places=("errcode",),
    busy={45009: 60, 45033: 60},
    passing=frozenset({-1}),
    meanings={
        40058: "WeCom can't read the message",
        93000: "WeCom does not know the bot: check the URL",
        93004: "the bot is stopped",
        93008: "the bot is not in the group",
    },
)


def request_of(channel: WecomChannel, message: Message, _: Sending) -> HttpMessage:
    """The POST for a message."""
    return HttpMessage(channel.url, dump({"msgtype": "text", "text": {"content": _content(message)}}))


def verdict_of(answer: Answer) -> Verdict:
    """WeCom answers 200 with an errcode."""
    return _CODES.verdict(answer)


def _content(message: Message) -> str:
    """The text. If it is too long, the detail is cut, so that the link at the end remains."""
    text = plain_text(message)
    excess = len(text.encode()) - MAX_CONTENT_BYTES
    if excess > 0 and message.detail:
        shown = lines(message.detail, DETAIL_CHARACTERS)
        room = max(0, len(shown.encode()) - excess)
        text = plain_text(replace(message, detail=cut_bytes(shown, room) if room > 3 else ""))
    return cut_bytes(text, MAX_CONTENT_BYTES)
