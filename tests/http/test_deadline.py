"""Whatever the target does, the call ends on time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tasks.http import AddressPolicy, Cancel, Cancelled, ConnectionError_, HttpClient, Request, TimeoutError_
from tasks.http.resolver import MAX_LOOKUPS_AT_ONCE, Endpoint
from tests.certificates import Certificates
from tests.http.target import Script, Target, Wire, get, send
from tests.lateness import Lateness
from tests.scarcity import no_more_threads
from tests.servers import wait_until

TIMEOUT_SECONDS = 0.4
TOLERANCE_SECONDS = 0.2

ENDLESS_BODY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@contextmanager
def ends_on_time(seconds: float = TIMEOUT_SECONDS) -> Iterator[None]:
    with Lateness() as lateness, pytest.raises(TimeoutError_) as caught:
        yield
    elapsed = lateness.taken_seconds + lateness.seconds
    assert seconds - TOLERANCE_SECONDS <= elapsed <= seconds + TOLERANCE_SECONDS + lateness.seconds
    assert caught.value.message == f"the call did not end within {seconds:g} s"


def drips_after(start: bytes, drop: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(start)
        wire.drip(drop)

    return script


def holds_after(start: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(start)
        wire.hold()

    return script


def redirects_slowly(wire: Wire) -> None:
    while wire.request() is not None and not wire.over.wait(0.15):
        wire.send(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")


SLOW: dict[str, Script] = {
    "never reads": Wire.hold,
    "never answers": holds_after(b""),
    "stops in the status line": holds_after(b"HTTP/1.1 2"),
    "stops in the headers": holds_after(b"HTTP/1.1 200 OK\r\nX: y\r\n"),
    "stops before the body": holds_after(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    "stops in the body": holds_after(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
    "stops in a chunk": holds_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
    "never closes": holds_after(ENDLESS_BODY + b"all of it"),
    "drips the status line": drips_after(b"", b"H"),
    "drips headers": drips_after(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "drips interim answers": drips_after(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drips the body": drips_after(ENDLESS_BODY, b"x"),
    "drips chunks": drips_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "drips a trailer": drips_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "drips a redirect's body": drips_after(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9999\r\n\r\n", b"x"),
    "redirects slowly": redirects_slowly,
}


@pytest.mark.parametrize("way", sorted(SLOW))
def test_a_slow_target_ends_on_time(client: HttpClient, way: str) -> None:
    with Target(SLOW[way]) as target, ends_on_time():
        client.call(get(target.url, TIMEOUT_SECONDS))


@pytest.mark.parametrize("way", ["never answers", "drips headers", "drips the body", "stops in a chunk"])
def test_a_slow_target_ends_on_time_with_tls(certificates: Certificates, way: str) -> None:
    client = HttpClient(AddressPolicy(allow_private=True), ca_bundle=certificates.ca)
    with Target(SLOW[way], tls=certificates.server()) as target, ends_on_time():
        client.call(get(target.url, TIMEOUT_SECONDS))
    client.close()


def test_a_target_that_does_not_answer_the_handshake_ends_on_time(client: HttpClient) -> None:
    with Target(Wire.hold) as target, ends_on_time():
        client.call(get(target.url.replace("http", "https"), TIMEOUT_SECONDS))


def test_a_target_that_drips_the_handshake_ends_on_time(client: HttpClient) -> None:
    with Target(lambda wire: wire.drip(b"\x16\x03\x03\x40\x00\x02" + b"\x00" * 60)) as target, ends_on_time():
        client.call(get(target.url.replace("http", "https"), TIMEOUT_SECONDS))


def test_a_target_that_does_not_take_the_body_ends_on_time(client: HttpClient) -> None:
    with Target(Wire.hold) as target, ends_on_time():
        client.call(send("POST", target.url, "x" * 10_000_000, TIMEOUT_SECONDS))


def test_time_that_is_over_before_it_begins(client: HttpClient) -> None:
    with Target(Wire.hold) as target, ends_on_time(0):
        client.call(get(target.url, 0))


class HangingDNS:
    """Lookups that hang until the test lets them go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[Endpoint]:
        self.asked.append(host)
        self.let_go.wait()
        raise OSError("no such name")


@pytest.fixture
def dns() -> Iterator[HangingDNS]:
    hanging = HangingDNS()
    yield hanging
    hanging.let_go.set()


def test_a_lookup_that_hangs_ends_on_time(dns: HangingDNS) -> None:
    client = HttpClient(AddressPolicy(), resolve=dns)
    with ends_on_time():
        client.call(get("http://hangs.test/", TIMEOUT_SECONDS))
    client.close()


def test_hanging_lookups_take_a_bounded_number_of_threads(dns: HangingDNS) -> None:
    client = HttpClient(AddressPolicy(), resolve=dns)

    def hang() -> None:
        with pytest.raises(ConnectionError_):
            client.call(get("http://hangs.test/", 60))

    callers = [threading.Thread(target=hang) for _ in range(MAX_LOOKUPS_AT_ONCE)]
    for caller in callers:
        caller.start()
    wait_until(lambda: len(dns.asked) == MAX_LOOKUPS_AT_ONCE, 30, "a lookup in each thread")
    for _ in range(3):
        with ends_on_time():
            client.call(get("http://hangs.test/", TIMEOUT_SECONDS))
    assert len(dns.asked) == MAX_LOOKUPS_AT_ONCE
    dns.let_go.set()
    for caller in callers:
        caller.join()
    client.close()


def test_lookups_go_on_after_no_thread_could_be_started(dns: HangingDNS) -> None:
    dns.let_go.set()
    client = HttpClient(AddressPolicy(), resolve=dns)
    for _ in range(MAX_LOOKUPS_AT_ONCE):
        with no_more_threads(), pytest.raises(ConnectionError_, match="the worker can start no thread"):
            client.call(get("http://no-such.test/", 30))
    with pytest.raises(ConnectionError_, match=r"could not be resolved$"):
        client.call(get("http://no-such.test/", 30))
    client.close()


def test_a_lookup_that_gets_no_thread_waits_for_another_one(dns: HangingDNS) -> None:
    client = HttpClient(AddressPolicy(), resolve=dns)
    with ends_on_time():
        client.call(get("http://hangs.test/", TIMEOUT_SECONDS))
    with ends_on_time(), no_more_threads():
        client.call(get("http://waits.test/", TIMEOUT_SECONDS))
    client.close()


class Cancelling:
    """Cancels when the call has reached a certain point, and measures how long it takes to end."""

    def __init__(self) -> None:
        self.cancel = Cancel()
        self.at = 0.0

    def now(self) -> None:
        self.at = time.monotonic()
        self.cancel.cancel()

    def call(self, client: HttpClient, request: Request) -> None:
        with pytest.raises(Cancelled):
            client.call(request, self.cancel)
        assert time.monotonic() - self.at < 5, "every call in here may take 30 seconds"
        assert self.cancel.cancelled


WAITS: dict[str, tuple[bytes, str]] = {
    "for the answer": (b"", "http"),
    "for headers": (b"HTTP/1.1 200 OK\r\n", "http"),
    "for the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "http"),
    "for the end of a body without length": (ENDLESS_BODY + b"ab", "http"),
    "for a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "http"),
    "for the answer with TLS": (b"", "https"),
    "for the body with TLS": (ENDLESS_BODY + b"ab", "https"),
}


@pytest.mark.parametrize("wait", sorted(WAITS))
def test_cancel_ends_a_call_that_waits(certificates: Certificates, wait: str) -> None:
    start, scheme = WAITS[wait]
    cancelling = Cancelling()

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(start)
        cancelling.now()
        wire.hold()

    client = HttpClient(AddressPolicy(allow_private=True), ca_bundle=certificates.ca)
    with Target(script, tls=certificates.server() if scheme == "https" else None) as target:
        cancelling.call(client, get(target.url, 30))
    client.close()


def test_cancel_ends_a_call_that_shakes_hands(client: HttpClient) -> None:
    cancelling = Cancelling()

    def script(wire: Wire) -> None:
        wire.sock.recv(100)
        cancelling.now()
        wire.hold()

    with Target(script) as target:
        cancelling.call(client, get(target.url.replace("http", "https"), 30))


def test_cancel_ends_a_call_that_sends(client: HttpClient) -> None:
    cancelling = Cancelling()

    def script(wire: Wire) -> None:
        wire.sock.recv(100)
        cancelling.now()
        wire.hold()

    with Target(script) as target:
        cancelling.call(client, send("POST", target.url, "x" * 30_000_000, 30))


def test_cancel_ends_a_call_that_looks_up(dns: HangingDNS) -> None:
    cancelling = Cancelling()

    def resolve(host: str, port: int) -> list[Endpoint]:
        cancelling.now()
        return dns(host, port)

    client = HttpClient(AddressPolicy(), resolve=resolve)
    cancelling.call(client, get("http://hangs.test/", 30))
    client.close()


def test_a_call_that_was_cancelled_before_it_began_reaches_nobody(client: HttpClient) -> None:
    cancelling = Cancelling()
    cancelling.now()
    with Target(Wire.hold) as target:
        cancelling.call(client, get(target.url, 30))
        assert target.connections == 0


def test_cancelling_twice_and_after_the_end_is_nothing(client: HttpClient) -> None:
    cancel = Cancel()
    with Target(lambda wire: wire.request() and wire.send(b"HTTP/1.1 204 No Content\r\n\r\n")) as target:
        assert client.call(get(target.url), cancel).status_code == 204
    cancel.cancel()
    cancel.cancel()
    assert cancel.cancelled
