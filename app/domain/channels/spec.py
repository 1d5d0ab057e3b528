"""The fields of a channel of each kind: the body of `PUT /api/channels/{name}`, and of a table in CHANNELS_FILE."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from app.domain.channels.notice import Language
from app.domain.checks import Fields, checked
from app.domain.url import check_url
from app.domain.webhooks import SECRET_PATTERN, WebhookSecret

MAX_RECIPIENTS = 20
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,200}", re.ASCII)
_CHAT_ID = re.compile(r"-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64}", re.ASCII)
MAIL_PORTS = {"smtp": 587, "smtps": 465}


def _check_mail_url(url: str) -> None:
    scheme, _, place = url.partition("://")
    if scheme not in MAIL_PORTS:
        raise ValueError("must be smtps://HOST:PORT (TLS from the start) or smtp://HOST:PORT (STARTTLS)")
    check_url(f"https://{place}")
    if not urlsplit(f"https://{place}").netloc == place.rstrip("/"):
        raise ValueError("must end after the port")


def _check_address(address: str) -> None:
    if not _ADDRESS.fullmatch(address):
        raise ValueError("is not a mail address")


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise ValueError("is not the token of a bot, such as 123456:ABC-DEF")


def _check_chat_id(chat_id: str) -> None:
    if not _CHAT_ID.fullmatch(chat_id):
        raise ValueError("must be the number of a chat, as text, or the @name of a channel")


def _check_printable(text: str) -> None:
    if not text.isprintable():
        raise ValueError("must not contain control characters")


def _shaped(shape: str, pattern: str, max_length: int) -> Any:
    """The schema of a text whose check says more than the pattern."""
    extra: dict[str, Any] = {"format": shape, "pattern": pattern}
    return Field(min_length=1, max_length=max_length, json_schema_extra=extra)


Url = Annotated[str, _shaped("http-url", "^[Hh][Tt][Tt][Pp][Ss]?://", 2048), checked(check_url)]
MailUrl = Annotated[str, _shaped("mail-url", "^smtps?://", 512), checked(_check_mail_url)]
SigningSecret = Annotated[str, _shaped("whsec", SECRET_PATTERN, 94), checked(WebhookSecret.parse)]
Token = Annotated[str, _shaped("telegram-token", f"^{_TOKEN.pattern}$", 256), checked(_check_token)]
ChatId = Annotated[str, _shaped("chat-id", f"^({_CHAT_ID.pattern})$", 70), checked(_check_chat_id)]
Address = Annotated[str, _shaped("email", "@", 254), checked(_check_address)]
Credential = Annotated[
    str, Field(min_length=1, max_length=512, json_schema_extra={"format": "printable"}), checked(_check_printable)
]

_URL = "The address of the bot or webhook. It is a secret: responses show no more than its host."
_KIND: Any = Field(description="The kind of channel.")
_SIGNED_WITH = "The secret with which messages are signed. Responses show *** instead."


class ChannelFields(Fields):
    """The fields of every channel."""

    kind: str = _KIND
    language: Language = Field("en", description="The language of its messages.")


class WebhookChannel(ChannelFields):
    """Any receiver of JSON, signed as Standard Webhooks has it."""

    kind: Literal["webhook"] = _KIND
    url: Url = Field(description=_URL)
    secret: SigningSecret | None = Field(
        None, description="`whsec_…`, with which messages are signed. Responses show *** instead."
    )


class SlackChannel(ChannelFields):
    """An incoming webhook of Slack."""

    kind: Literal["slack"] = _KIND
    url: Url = Field(description=_URL)


class DingtalkChannel(ChannelFields):
    """A custom bot of DingTalk."""

    kind: Literal["dingtalk"] = _KIND
    url: Url = Field(description=_URL)
    secret: Credential | None = Field(None, description=_SIGNED_WITH)


class FeishuChannel(ChannelFields):
    """A custom bot of Feishu, or of Lark."""

    kind: Literal["feishu", "lark"] = _KIND
    url: Url = Field(description=_URL)
    secret: Credential | None = Field(None, description=_SIGNED_WITH)


class WecomChannel(ChannelFields):
    """A group bot of WeCom."""

    kind: Literal["wecom"] = _KIND
    url: Url = Field(description=_URL)


class TeamsChannel(ChannelFields):
    """A workflow of Microsoft Teams that begins with a webhook request."""

    kind: Literal["teams"] = _KIND
    url: Url = Field(description=_URL)


class TelegramChannel(ChannelFields):
    """A chat that a bot of Telegram writes to."""

    kind: Literal["telegram"] = _KIND
    url: Url = Field("https://api.telegram.org", description="The server of the Bot API.")
    secret: Token = Field(description="The token of the bot.")
    chat_id: ChatId = Field(description="The number of the chat, as text, or the @name of a public channel.")


class EmailChannel(ChannelFields):
    """Mail addresses, and the server that takes mail for them."""

    kind: Literal["email"] = _KIND
    url: MailUrl = Field(description="smtps://HOST:PORT (TLS) or smtp://HOST:PORT (STARTTLS, which is required).")
    username: Credential | None = Field(None, description="The name to log in with. Without it, nobody logs in.")
    secret: Credential | None = Field(None, description="The password to log in with.")
    sender: Address = Field(description="The address that mails come from.")
    to: Annotated[list[Address], Field(min_length=1, max_length=MAX_RECIPIENTS)] = Field(
        description="The addresses that mails go to."
    )
