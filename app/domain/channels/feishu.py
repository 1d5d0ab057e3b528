"""Custom bots of Feishu and Lark.

Messages are of type `post`, whose text elements are shown as they are. (In type `text`, `<at user_id="all">` mentions
everybody.)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from app.domain.channels.notice import Message
from app.domain.channels.plain import detail_of, dump, facts_of, headline_of
from app.domain.channels.sending import Answer, Codes, HttpMessage, Sending, Verdict
from app.domain.channels.spec import FeishuChannel

_CODES = Codes(
    places=("code", "StatusCode"),
    busy={9499: 60, 11232: 60, 99991400: 60},
    passing=frozenset(),
    meanings={
        19001: "Feishu does not know the bot: check the URL",
        19021: "Feishu refuses the signature: check the secret and the clock",
        19022: "Feishu does not permit this address: see the bot's IP whitelist",
        19024: "the bot's keywords refuse the message",
    },
)


def request_of(channel: FeishuChannel, message: Message, sending: Sending) -> HttpMessage:
    """The POST for a message; if the channel has a secret, its time and signature are in the body."""
    post = {"title": headline_of(message), "content": _paragraphs(message)}
    body: dict[str, Any] = {"msg_type": "post", "content": {"post": {"zh_cn": post}}}
    if channel.secret is not None:
        seconds = str(sending.now_ms // 1000)
        body = {"timestamp": seconds, "sign": _signature(seconds, channel.secret), **body}
    return HttpMessage(channel.url, dump(body))


def verdict_of(answer: Answer) -> Verdict:
    """Feishu answers 200 with a code, or 400 if there are too many messages."""
    return _CODES.verdict(answer)


def _paragraphs(message: Message) -> list[list[dict[str, str]]]:
    texts = [f"{label}: {value}" for label, value in facts_of(message)]
    if detail := detail_of(message):
        texts += detail.split("\n")
    paragraphs = [[{"tag": "text", "text": text}] for text in texts]
    if message.link:
        paragraphs.append([{"tag": "a", "text": message.link_label, "href": message.link}])
    return paragraphs


def _signature(seconds: str, secret: str) -> str:
    """The HMAC of nothing; time and secret together are its key."""
    digest = hmac.new(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
