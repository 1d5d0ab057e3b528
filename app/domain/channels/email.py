"""Mail as plain text. What may be hostile can't reach a header but the subject, which is one line."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.domain.channels.notice import Message
from app.domain.channels.plain import headline_of, plain_text
from app.domain.channels.sending import DELIVERED, Answer, MailMessage, Sending, Verdict
from app.domain.channels.spec import MAIL_PORTS, EmailChannel


def request_of(channel: EmailChannel, message: Message, sending: Sending) -> MailMessage:
    """The mail for a message. Its id is that of the delivery, so that a mail which is sent twice is recognized."""
    parts = urlsplit(channel.url)
    return MailMessage(
        host=parts.hostname or "",
        port=parts.port or MAIL_PORTS[parts.scheme],
        is_tls=parts.scheme == "smtps",
        username=channel.username or "",
        password=channel.secret or "",
        sender=channel.sender,
        recipients=tuple(channel.to),
        subject=headline_of(message),
        text=plain_text(message) + "\n",
        message_id=f"<{sending.id}@{channel.sender.rpartition('@')[2]}>",
    )


def verdict_of(answer: Answer) -> Verdict:
    """SMTP's codes: 4xx may pass, 5xx will not. `Answer.status_code` is the reply's code, 250 for success."""
    if answer.status_code == 250:
        return DELIVERED
    is_final = 500 <= answer.status_code < 600
    return Verdict(is_delivered=False, is_final=is_final, error=f"the mail server answered {answer.status_code}")
