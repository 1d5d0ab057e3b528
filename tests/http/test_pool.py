"""Connections are kept, never shared, and given up in time, with many threads at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.http import Cancel, Cancelled, ConnectionError_, HttpClient
from tasks.http.connections import Connection
from tasks.http.pool import IdleConnections
from tests.certificates import Certificates
from tests.http.target import OK, Target, Wire, answering, get, http, send


def test_calls_to_one_target_share_a_connection(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        for number in range(5):
            client.call(send("PUT", f"{target.url}/{number}", "x"))
        assert target.connections == 1
        assert len(target.received) == 5


def test_targets_do_not_share(client: HttpClient) -> None:
    with Target(answering(OK)) as one, Target(answering(OK)) as other:
        for _ in range(2):
            client.call(get(one.url))
            client.call(get(other.url))
        assert (one.connections, other.connections) == (1, 1)


def hangs_up_when_it_comes_again(wire: Wire) -> None:
    """Keep the connection open, and close it without an answer on the second request."""
    wire.request()
    wire.send(OK)
    wire.request()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_a_safe_request_on_a_stale_connection_is_sent_again(client: HttpClient, method: str) -> None:
    with Target(hangs_up_when_it_comes_again) as target:
        for _ in range(3):
            assert client.call(send(method, target.url)).body == "ok"
        assert target.connections == 3


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_unsafe_request_never_meets_a_stale_connection(client: HttpClient, method: str) -> None:
    with Target(hangs_up_when_it_comes_again) as target:
        client.call(get(target.url))
        for _ in range(3):
            assert client.call(send(method, target.url, "x")).body == "ok"
        assert [received.method for received in target.received] == ["GET", method, method, method]
        assert target.connections == 4


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_unsafe_request_that_got_no_answer_is_not_sent_again(client: HttpClient, method: str) -> None:
    with Target(lambda wire: wire.request() and None) as target:
        with pytest.raises(ConnectionError_, match="closed the connection without an answer"):
            client.call(send(method, target.url, "x"))
        assert [received.method for received in target.received] == [method]


def test_connections_of_unsafe_requests_are_not_heaped_up(client: HttpClient) -> None:
    def until_it_hangs_up(wire: Wire) -> None:
        while wire.request() is not None:
            wire.send(OK)
        hung_up.release()

    hung_up = threading.Semaphore(0)
    with Target(until_it_hangs_up) as target:
        client.call(send("POST", target.url, "x"))
        assert hung_up.acquire(timeout=5)
        assert target.connections == 1


def test_a_request_that_got_half_an_answer_is_not_sent_again(client: HttpClient) -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()
        wire.send(b"HTTP/1.1 20")

    with Target(script) as target:
        client.call(get(target.url))
        with pytest.raises(ConnectionError_):
            client.call(get(target.url))
        assert len(target.received) == 2


def test_an_answer_sent_ahead_never_meets_the_next_call(client: HttpClient) -> None:
    with Target(answering(OK + http(b"evil", "Content-Type: text/plain"))) as target:
        assert [client.call(get(target.url)).body for _ in range(3)] == ["ok"] * 3


def test_nor_does_one_sent_ahead_in_the_same_tls_record(trusting: HttpClient, certificates: Certificates) -> None:
    """The first answer fills Python's buffer, so that OpenSSL keeps the second."""
    size = 8192 - len(http(b"", "Content-Type: text/plain", length=8192))
    answer = http(b"a" * size, "Content-Type: text/plain")
    evil = http(b"evil", "Content-Type: text/plain")
    with Target(answering(answer + evil, answer), tls=certificates.server()) as target:
        assert [trusting.call(get(target.url)).body == "a" * size for _ in range(3)] == [True] * 3


def test_nor_does_the_body_of_a_head_request_over_tls(trusting: HttpClient, certificates: Certificates) -> None:
    answer = http(b"x" * 12_000, "Content-Type: text/html")
    with Target(answering(answer), tls=certificates.server()) as target:
        assert [trusting.call(send("HEAD", target.url)).status_code for _ in range(3)] == [200] * 3


def test_cookies_never_pass_from_one_call_to_another(client: HttpClient) -> None:
    with Target(answering(http(b"", "Set-Cookie: a=1; Path=/"))) as target:
        for _ in range(2):
            client.call(get(target.url))
    assert ["cookie" in received.headers for received in target.received] == [False, False]


def test_after_close_nothing_is_kept(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(get(target.url))
        client.close()
        for _ in range(2):
            client.call(get(target.url))
        assert target.connections == 3


def test_many_threads_get_each_their_own_answer(client: HttpClient) -> None:
    """1,000 calls over 50 threads and 4 targets; a mixed-up connection would show as another call's answer."""

    def echo(wire: Wire) -> None:
        while (received := wire.request()) is not None:
            wire.send(http(received.body + received.path.encode(), "Content-Type: text/plain"))

    targets = [Target(echo) for _ in range(4)]
    for target in targets:
        target.__enter__()

    def call(number: int) -> bool:
        url = f"{targets[number % 4].url}/{number}"
        return client.call(send("PUT", url, f"body {number} ")).body == f"body {number} /{number}"

    with ThreadPoolExecutor(50) as threads:
        assert Counter(threads.map(call, range(1000))) == {True: 1000}
    client.close()
    for target in targets:
        target.__exit__()
    assert sum(target.connections for target in targets) <= 200


def test_cancel_of_one_call_touches_no_other(client: HttpClient) -> None:
    """Cancels race with calls that end and hand their connections on."""
    with Target(answering(OK)) as target:

        def call(number: int) -> str:
            cancel = Cancel()
            stopper = threading.Timer(0.0005 * (number % 5), cancel.cancel) if number % 2 else None
            if stopper:
                stopper.start()
            try:
                return str(client.call(get(target.url), cancel).body)
            except Cancelled:
                return "cancelled"
            finally:
                if stopper:
                    stopper.join()

        with ThreadPoolExecutor(8) as threads:
            ends = list(threads.map(call, range(300)))
        client.close()
    assert set(ends[::2]) == {"ok"}
    assert set(ends) <= {"ok", "cancelled"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeConnection:
    """The part of a connection that the pool uses."""

    def __init__(self) -> None:
        self.is_connected = True
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        self.is_connected = False


def fakes(count: int) -> list[Connection]:
    return [FakeConnection() for _ in range(count)]  # type: ignore[misc]


def test_the_newest_is_taken_first_and_each_once() -> None:
    pool = IdleConnections(clock=Clock())
    one, two = fakes(2)
    pool.put("a", one)
    pool.put("a", two)
    assert [pool.take("a"), pool.take("b"), pool.take("a"), pool.take("a")] == [two, None, one, None]


def test_beyond_the_bound_the_oldest_is_closed_whatever_its_target() -> None:
    pool = IdleConnections(max_idle=2, clock=Clock())
    connections = fakes(3)
    for key, connection in zip("abc", connections, strict=True):
        pool.put(key, connection)
    assert [connection.closed for connection in connections] == [1, 0, 0]  # type: ignore[union-attr]
    assert (len(pool), pool.take("a")) == (2, None)


def test_what_was_idle_too_long_is_not_taken() -> None:
    clock = Clock()
    pool = IdleConnections(max_idle_seconds=15, clock=clock)
    old, new = fakes(2)
    pool.put("a", old)
    clock.now = 15.1
    assert pool.take("a") is None
    pool.put("a", new)
    assert (pool.take("a"), old.closed) == (new, 1)  # type: ignore[union-attr]


def test_what_the_target_closed_is_not_taken() -> None:
    pool = IdleConnections(clock=Clock())
    (gone,) = fakes(1)
    pool.put("a", gone)
    gone.is_connected = False  # type: ignore[misc]
    assert (pool.take("a"), len(pool)) == (None, 0)
