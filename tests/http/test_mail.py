"""Mail: to a real SMTP server on loopback, with TLS always, to permitted addresses only, and within its time."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from app.domain.channels.sending import MailMessage
from tasks.http import (
    AddressPolicy,
    BlockedAddressError,
    CallError,
    Cancel,
    Cancelled,
    ConnectionError_,
    TimeoutError_,
    TLSError,
)
from tasks.http.mail import MailClient
from tests.certificates import Certificates
from tests.http.target import Target, Wire
from tests.lateness import Lateness

PASSWORD = "correct horse"
HANDED_OVER = b"220 here\r\n"


class Mailbox:
    """An SMTP handler that keeps what it takes. It refuses refused@example.com, and later@example.com for now."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address == "refused@example.com":
            return "550 no such mailbox"
        if address == "later@example.com":
            return "450 try again in five minutes"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(
            (envelope.mail_from, envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 taken"


@contextmanager
def serving(box: Mailbox, context: ssl.SSLContext, *, is_tls: bool, **options: Any) -> Iterator[tuple[str, int]]:
    """A mail server for the block, with TLS from the start, or with STARTTLS, which it then requires."""
    starttls = {} if is_tls else {"tls_context": context, "require_starttls": True}
    loop = asyncio.new_event_loop()

    async def listen() -> asyncio.Server:
        factory = partial(SMTP, box, hostname="mail.test", loop=loop, **starttls, **options)
        return await loop.create_server(factory, "127.0.0.1", 0, ssl=context if is_tls else None)

    server = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(15)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    """Close the server, and end the sessions that a client has left open."""
    server.close()
    sessions = asyncio.all_tasks() - {asyncio.current_task()}
    for session in sessions:
        session.cancel()
    await asyncio.gather(*sessions, return_exceptions=True)


def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"celeriac", PASSWORD.encode()), handled=False)


@pytest.fixture
def client(certificates: Certificates) -> MailClient:
    """A client of a service that serves loopback only."""
    return MailClient(AddressPolicy(allow_private=True), ca_bundle=certificates.ca)


def mail(address: tuple[str, int], *, is_tls: bool = True, **more: Any) -> MailMessage:
    values: dict[str, Any] = {
        "host": address[0],
        "port": address[1],
        "is_tls": is_tls,
        "username": "",
        "password": "",
        "sender": "celeriac@example.com",
        "recipients": ("a@example.com", "b@example.com"),
        "subject": "任务失败：nightly",
        "text": "ü\n.\nline\n",
        "message_id": "<d1@example.com>",
    }
    return MailMessage(**{**values, **more})


@pytest.mark.parametrize("is_tls", [True, False], ids=["tls", "starttls"])
def test_a_mail_arrives_as_it_was_written(client: MailClient, certificates: Certificates, is_tls: bool) -> None:
    box = Mailbox()
    with serving(box, certificates.server(), is_tls=is_tls) as address:
        assert client.send(mail(address, is_tls=is_tls), 15) == 250
    ((sender, recipients, letter),) = box.mails
    assert isinstance(letter, EmailMessage)
    assert (sender, recipients) == ("celeriac@example.com", ["a@example.com", "b@example.com"])
    assert (letter["Subject"], letter["Message-ID"], letter["To"]) == (
        "任务失败：nightly",
        "<d1@example.com>",
        "a@example.com, b@example.com",
    )
    assert letter.get_content().replace("\r\n", "\n") == "ü\n.\nline\n"
    assert letter["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("hidden", ["=0ABcc:_x", "=0D=0A=0D=0Aforged", "=E2=80=AEtxt.exe", "=00"])
@pytest.mark.parametrize("before", ["Failed: ", "任务失败：", "Failed: " + 90 * "a" + " "])
def test_an_encoded_word_in_a_subject_is_shown_as_it_is(
    client: MailClient, certificates: Certificates, before: str, hidden: str
) -> None:
    box, subject = Mailbox(), f"{before}=?utf-8?q?{hidden}?="
    with serving(box, certificates.server(), is_tls=True) as address:
        assert client.send(mail(address), 15) == client.send(mail(address, subject=subject), 15) == 250
    (_, _, usual), (_, _, letter) = box.mails
    assert letter["Subject"].replace("\u200b", "") == subject
    assert (letter.keys(), letter.get_content()) == (usual.keys(), usual.get_content())


@pytest.mark.parametrize(("password", "code"), [(PASSWORD, 250), ("wrong", 535)])
def test_it_logs_in_with_name_and_password(
    client: MailClient, certificates: Certificates, password: str, code: int
) -> None:
    box = Mailbox()
    options = {"authenticator": login, "auth_required": True}
    with serving(box, certificates.server(), is_tls=False, **options) as address:
        found = client.send(mail(address, is_tls=False, username="celeriac", password=password), 15)
    assert (found, len(box.mails)) == (code, code == 250)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_name_and_password_may_have_any_characters(
    client: MailClient, certificates: Certificates, mechanism: str
) -> None:
    seen = list[tuple[bytes, bytes]]()

    def keep(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    others = [name for name in ("PLAIN", "LOGIN") if name != mechanism]
    options = {"authenticator": keep, "auth_required": True, "auth_exclude_mechanism": others}
    with serving(Mailbox(), certificates.server(), is_tls=False, **options) as address:
        assert client.send(mail(address, is_tls=False, username="jörg", password="pässwört 密码"), 15) == 250
    assert seen == [("jörg".encode(), "pässwört 密码".encode())]


def test_refused_recipients_decide_only_if_there_are_no_others(client: MailClient, certificates: Certificates) -> None:
    box = Mailbox()
    with serving(box, certificates.server(), is_tls=True) as address:
        assert client.send(mail(address, recipients=("refused@example.com",)), 15) == 550
        assert client.send(mail(address, recipients=("refused@example.com", "a@example.com")), 15) == 250
        # Another try may reach one of them.
        assert client.send(mail(address, recipients=("refused@example.com", "later@example.com")), 15) == 450
    assert [recipients for _, recipients, _ in box.mails] == [["a@example.com"]]


def test_nothing_is_sent_without_tls(client: MailClient) -> None:
    seen: list[bytes] = []

    def plain(wire: Wire) -> None:
        wire.send(HANDED_OVER)
        seen.append(wire.sock.recv(4096))
        wire.send(b"250 no extensions\r\n")
        seen.append(wire.sock.recv(4096))

    with Target(plain) as target, pytest.raises(TLSError, match="offers no STARTTLS"):
        client.send(mail(("127.0.0.1", target.port), is_tls=False, username="celeriac", password=PASSWORD), 15)
    assert [line.split()[0] for line in seen if line] in ([b"ehlo"], [b"ehlo", b"QUIT"])


@pytest.mark.parametrize("certificate", ["other", "expired"])
def test_a_wrong_certificate_is_refused(client: MailClient, certificates: Certificates, certificate: str) -> None:
    box = Mailbox()
    for is_tls in (True, False):
        with serving(box, certificates.server(certificate), is_tls=is_tls) as address:
            assert _error_type(client, mail(address, is_tls=is_tls)) == "TLSError"
    assert box.mails == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "10.0.0.1", "169.254.169.254", "metadata.google.internal", "0.0.0.0"]
)
def test_addresses_that_are_not_open_are_not_reached(host: str) -> None:
    with Target(lambda wire: wire.send(HANDED_OVER)) as target:
        with pytest.raises((BlockedAddressError, ConnectionError_)):
            MailClient(AddressPolicy(allow_private=False)).send(mail((host, target.port)), 2)
        assert target.connections == 0


HOSTILE: dict[str, Callable[[Wire], Any]] = {
    "greets with nonsense": lambda wire: wire.send(b"\x00\xff" * 100 + b"\r\n"),
    "greets without end": lambda wire: [wire.send(b"220-more\r\n" * 1_000) for _ in range(100)],
    "hangs up": lambda wire: None,
    "has long lines": lambda wire: wire.send(b"220 " + b"x" * 100_000 + b"\r\n"),
    "is busy": lambda wire: wire.send(b"421 later\r\n"),
}


@pytest.mark.parametrize("behaviour", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_server_costs_a_call_error_or_a_code(client: MailClient, behaviour: Callable[[Wire], Any]) -> None:
    with Target(behaviour) as target:
        assert _error_type(client, mail(("127.0.0.1", target.port), is_tls=False)) in ("ConnectionError", 421, 500)


def _error_type(client: MailClient, letter: MailMessage) -> str | int:
    """What becomes of a mail: the type of the error, or the code."""
    try:
        return client.send(letter, 15)
    except CallError as error:
        return error.type


def test_a_silent_server_ends_with_the_time(client: MailClient) -> None:
    with Target(lambda wire: wire.sock.recv(1)) as target:
        with Lateness() as late, pytest.raises(TimeoutError_):
            client.send(mail(("127.0.0.1", target.port), is_tls=False), 0.3)
        assert late.taken_seconds < 3


def test_a_cancel_ends_it_at_once(client: MailClient) -> None:
    cancel = Cancel()
    with Target(lambda wire: (cancel.cancel(), wire.sock.recv(1))) as target, pytest.raises(Cancelled):
        client.send(mail(("127.0.0.1", target.port), is_tls=False), 10, cancel)
