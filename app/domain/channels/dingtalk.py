"""Custom bots of DingTalk.

Messages are of type `text`: its Markdown has no escape. Nobody is mentioned unless `at` says so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote_plus

from app.domain.channels.notice import Message
from app.domain.channels.plain import dump, plain_text
from app.domain.channels.sending import Answer, Codes, HttpMessage, Sending, Verdict
from app.domain.channels.spec import DingtalkChannel

#: A bot that has sent more than 20 messages in a minute is shut out for ten minutes.
_SHUT_OUT_SECONDS = 600
_CODES = Codes(
    places=("errcode",),
    busy={130101: _SHUT_OUT_SECONDS, 410100: _SHUT_OUT_SECONDS, 660026: _SHUT_OUT_SECONDS, 90018: 60},
    passing=frozenset({-1}),
    meanings={
        300001: "DingTalk does not know the access token: check the URL",
        300005: "DingTalk does not know the access token: check the URL",
        310000: "the bot's security settings refuse the message: check secret, keywords and addresses",
        400013: "the group is gone",
        400101: "DingTalk does not know the access token: check the URL",
        400102: "the bot is stopped",
        400106: "the bot is gone",
    },
)


def request_of(channel: DingtalkChannel, message: Message, sending: Sending) -> HttpMessage:
    """The POST for a message; if the channel has a secret, its time and signature are in the URL."""
    body = {"msgtype": "text", "text": {"content": plain_text(message)}, "at": {"isAtAll": False}}
    return HttpMessage(_signed(channel, sending.now_ms), dump(body))


def verdict_of(answer: Answer) -> Verdict:
    """DingTalk answers 200 with an errcode."""
    return _CODES.verdict(answer)


def _signed(channel: DingtalkChannel, now_ms: int) -> str:
    if channel.secret is None:
        return channel.url
    signed = f"{now_ms}\n{channel.secret}".encode()
    digest = hmac.new(channel.secret.encode(), signed, hashlib.sha256).digest()
    joint = "&" if "?" in channel.url else "?"
    return f"{channel.url}{joint}timestamp={now_ms}&sign={quote_plus(base64.b64encode(digest))}"
