"""Sends mail to addresses that the policy permits, with TLS always, and within a deadline.

smtplib speaks the protocol, on a socket that `Dialer` has connected: the same checks and the same clock as for HTTP.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from typing import Any

from app.domain.channels.sending import MailMessage
from tasks.http.addresses import AddressPolicy
from tasks.http.dialer import Connect, Dialer, open_socket
from tasks.http.errors import BlockedAddressError, CallError, Cancelled, ConnectionError_, ReceiveLimit, TLSError
from tasks.http.exchange import Cancel, Exchange
from tasks.http.failures import call_error
from tasks.http.resolver import Resolve, Resolver, system_lookup
from tasks.http.sockets import tls_context
from tasks.http.urls import Target

#: Limit for everything that the server says.
MAX_REPLY_BYTES = 256 * 1024
ACCEPTED = 250


class MailClient:
    """Sends mail, each over a connection of its own. Thread-safe. Create one per process, after forking."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        ca_bundle: str | None = None,
        resolve: Resolve = system_lookup,
        connect: Connect = open_socket,
    ) -> None:
        self._policy = policy
        self._dialer = Dialer(policy, Resolver(resolve), connect)
        self._tls = tls_context(ca_bundle)

    def send(self, mail: MailMessage, timeout_seconds: float, cancel: Cancel | None = None) -> int:
        """Hand the mail to its server. Returns the code of the reply that decided: 250 if the server has it.

        A mail that the server takes for some of its recipients counts as taken. Raises CallError or Cancelled; ends no
        later than the timeout.
        """
        exchange = Exchange(timeout_seconds, cancel, time.monotonic())
        target = Target("smtps" if mail.is_tls else "smtp", mail.host, mail.port)
        try:
            return self._send(mail, exchange)
        except (CallError, Cancelled):
            raise
        except smtplib.SMTPNotSupportedError:
            raise TLSError(f"{target} offers no STARTTLS, or no way to log in") from None
        except smtplib.SMTPServerDisconnected:
            raise ConnectionError_(f"{target} closed the connection") from None
        except smtplib.SMTPRecipientsRefused as error:
            return min(code for code, _ in error.recipients.values())  # one that passes, if there is one
        except smtplib.SMTPResponseException as error:
            if 400 <= error.smtp_code < 600:
                return error.smtp_code
            raise ConnectionError_(f"{target} sent what is not valid SMTP") from None
        except smtplib.SMTPException:
            raise ConnectionError_(f"{target} sent what is not valid SMTP") from None
        except (OSError, ReceiveLimit) as error:
            if exchange.cancel.cancelled:
                raise Cancelled from None
            raise call_error(error, target) from None
        except ValueError:  # a reply that smtplib can't read
            raise ConnectionError_(f"{target} sent what is not valid SMTP") from None

    def _send(self, mail: MailMessage, exchange: Exchange) -> int:
        reason = self._policy.refuses_name(mail.host)
        if reason is not None:
            raise BlockedAddressError(mail.host, mail.port, reason)
        exchange.expect(MAX_REPLY_BYTES)
        session = _Session(self._dialer, self._tls, mail, exchange)
        try:
            session.begin()
            if not mail.is_tls:
                session.starttls(context=self._tls)
            if mail.username:
                session.login(_Utf8(mail.username), _Utf8(mail.password))
            session.send_message(_letter(mail), mail.sender, list(mail.recipients))
            return ACCEPTED
        finally:
            session.close()


class _Utf8(str):
    """A text that smtplib sends in UTF-8, as RFC 4616 has it, although it asks for ASCII."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("utf-8", errors)


class _Session(smtplib.SMTP):
    """A session on a connection that the dialer makes."""

    def __init__(self, dialer: Dialer, tls: ssl.SSLContext, mail: MailMessage, exchange: Exchange) -> None:
        super().__init__(local_hostname=mail.sender.rpartition("@")[2])  # without a name, it would ask DNS for one
        self._host = mail.host  # whom the certificate must name
        self._dialer = dialer
        self._tls = tls
        self._mail = mail
        self._exchange = exchange

    def begin(self) -> None:
        """Connect and read the greeting. Raises SMTPConnectError for one that refuses."""
        code, text = self.connect(self._mail.host, self._mail.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)

    def auth(self, mechanism: str, authobject: Any, *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        def answer(*challenge: bytes) -> _Utf8 | None:
            text = authobject(*challenge)
            return None if text is None else _Utf8(text)

        return super().auth(mechanism, answer, initial_response_ok=initial_response_ok)  # type: ignore[arg-type]

    def _get_socket(self, host: str, port: int, timeout: object) -> socket.socket:
        sock = self._dialer.dial(host, port, self._exchange)
        if not self._mail.is_tls:
            return sock
        try:
            return self._tls.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise


def _letter(mail: MailMessage) -> EmailMessage:
    letter = EmailMessage(policy=SMTP_POLICY)
    letter["From"] = mail.sender
    letter["To"] = ", ".join(mail.recipients)
    letter["Subject"] = _literal(mail.subject)
    letter["Date"] = formatdate(usegmt=True)
    letter["Message-ID"] = mail.message_id
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(mail.text, cte="quoted-printable" if mail.text.isascii() else "base64")
    return letter


def _literal(subject: str) -> str:
    """`subject`, with an invisible gap in what is an encoded word (RFC 2047).

    EmailMessage decodes those: the line breaks in `=?utf-8?q?=0A?=` would then begin further headers, or the text.
    """
    return subject.replace("=?", "=\u200b?")
