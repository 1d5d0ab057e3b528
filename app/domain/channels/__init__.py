"""Channels: where notices go. One module per kind turns a message into a request and judges the answer. Pure.

To add a kind: a model in spec.py, a module with `request_of` and `verdict_of`, and a row in CHANNEL_KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.channels import dingtalk, email, feishu, slack, teams, telegram, webhook, wecom
from app.domain.channels.notice import Message, Notice, NoticeType, message_of
from app.domain.channels.rate import Rate
from app.domain.channels.sending import Answer, HttpMessage, MailMessage, Sending, Verdict
from app.domain.channels.spec import (
    ChannelFields,
    DingtalkChannel,
    EmailChannel,
    FeishuChannel,
    SlackChannel,
    TeamsChannel,
    TelegramChannel,
    WebhookChannel,
    WecomChannel,
)

__all__ = ["CHANNEL_KINDS", "CHANNEL_MODELS", "ChannelKind", "Notice", "NoticeType", "Rate", "compose", "judge"]


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """A row of the table of kinds. rate: what the service behind it permits, None for no limit of its own."""

    fields: type[ChannelFields]
    request_of: Callable[[Any, Message, Sending], HttpMessage | MailMessage]
    verdict_of: Callable[[Answer], Verdict]
    rate: Rate | None


#: Beside 100 in a minute, Feishu permits five in a second: the burst and the message after it.
_FEISHU_RATE = Rate(100, 60, max_burst=4)

CHANNEL_KINDS: Mapping[str, ChannelKind] = {
    "webhook": ChannelKind(WebhookChannel, webhook.request_of, webhook.verdict_of, None),
    "slack": ChannelKind(SlackChannel, slack.request_of, slack.verdict_of, Rate(1, 1)),
    "dingtalk": ChannelKind(DingtalkChannel, dingtalk.request_of, dingtalk.verdict_of, Rate(20, 60)),
    "feishu": ChannelKind(FeishuChannel, feishu.request_of, feishu.verdict_of, _FEISHU_RATE),
    "lark": ChannelKind(FeishuChannel, feishu.request_of, feishu.verdict_of, _FEISHU_RATE),
    "wecom": ChannelKind(WecomChannel, wecom.request_of, wecom.verdict_of, Rate(20, 60)),
    "teams": ChannelKind(TeamsChannel, teams.request_of, teams.verdict_of, Rate(4, 1)),
    "telegram": ChannelKind(TelegramChannel, telegram.request_of, telegram.verdict_of, Rate(20, 60)),
    "email": ChannelKind(EmailChannel, email.request_of, email.verdict_of, Rate(60, 60)),
}

#: The models of the kinds, each once.
CHANNEL_MODELS: tuple[type[ChannelFields], ...] = tuple(dict.fromkeys(row.fields for row in CHANNEL_KINDS.values()))


def compose(channel: ChannelFields, notice: Notice, sending: Sending, public_url: str) -> HttpMessage | MailMessage:
    """The request or mail that tells a channel of a notice."""
    return CHANNEL_KINDS[channel.kind].request_of(channel, message_of(notice, channel.language, public_url), sending)


def judge(channel: ChannelFields, answer: Answer) -> Verdict:
    """What an answer of the channel means."""
    return CHANNEL_KINDS[channel.kind].verdict_of(answer)
