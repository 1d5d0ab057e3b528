"""Redirects: method, headers, credentials, where they end."""

from __future__ import annotations

import pytest

from tasks.http import ConnectionError_, HttpClient, InvalidURL, Request, TooManyRedirects
from tests.http.target import OK, Target, Wire, answering, get, http, send


def to(location: str, status: int = 302, *headers: str, body: bytes = b"") -> bytes:
    return http(body, f"Location: {location}", *headers, status=f"{status} Found")


# status, method before, method after
METHODS = [
    (301, "GET", "GET"),
    (301, "POST", "GET"),
    (301, "PUT", "PUT"),
    (302, "POST", "GET"),
    (302, "DELETE", "DELETE"),
    (303, "POST", "GET"),
    (303, "PUT", "GET"),
    (303, "HEAD", "HEAD"),
    (307, "POST", "POST"),
    (308, "PATCH", "PATCH"),
]


@pytest.mark.parametrize(("status", "before", "after"), METHODS)
def test_the_method_follows_the_rfc(client: HttpClient, status: int, before: str, after: str) -> None:
    last = http(status="204 No Content")
    with Target(answering(to("/next", status), last)) as target:
        response = client.call(send(before, f"{target.url}/first", None if before == "HEAD" else {"a": 1}))
    first, second = target.received
    assert (second.method, second.path, response.url) == (after, "/next", f"{target.url}/next")
    keeps_body = after == before and before != "HEAD"
    assert second.body == (first.body if keeps_body else b"")
    assert ("content-type" in second.headers) == keeps_body
    assert second.headers.get("content-length") == (first.headers["content-length"] if keeps_body else None)


LOCATIONS = [
    ("/b?c=1", "/b?c=1"),
    ("b", "/a/b"),
    ("../b", "/b"),
    ("?x", "/a/x?x"),
    ("#part", "/a/x"),
    ("/sp ace", "/sp%20ace"),
    ("/caf\u00c3\u00a9", "/caf%C3%A9"),  # raw UTF-8 in the header
    ("  /trimmed  ", "/trimmed"),
]


@pytest.mark.parametrize(("location", "path"), LOCATIONS)
def test_a_location_is_resolved_against_the_url(client: HttpClient, location: str, path: str) -> None:
    with Target(answering(to(location), OK)) as target:
        client.call(get(f"{target.url}/a/x"))
    assert target.received[1].path == path


def test_the_fragment_goes_along(client: HttpClient) -> None:
    with Target(answering(to("/b"), OK)) as target:
        assert client.call(get(f"{target.url}/a#part")).url == f"{target.url}/b#part"


@pytest.mark.parametrize("answer", [http(status="302 Found"), to("/x", 304), to("/x", 300), to("/x", 201)])
def test_what_is_no_redirect_is_the_answer(client: HttpClient, answer: bytes) -> None:
    with Target(answering(answer)) as target:
        client.call(get(target.url))
        assert len(target.received) == 1


def test_ten_redirects_are_followed_and_not_eleven(client: HttpClient) -> None:
    hops = [to(f"/{number}") for number in range(11)]
    with Target(answering(*hops[:10], OK)) as target:
        assert client.call(get(target.url)).body == "ok"
        assert len(target.received) == 11
    with Target(answering(*hops, OK)) as target:
        with pytest.raises(TooManyRedirects, match="more than 10 redirects"):
            client.call(get(target.url))
        assert len(target.received) == 11


def test_a_loop_ends(client: HttpClient) -> None:
    with Target(answering(to("/"))) as target, pytest.raises(TooManyRedirects):
        client.call(get(target.url))


BAD_LOCATIONS = [
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://user:password@127.0.0.1/",
    "http://127.0.0.1:99999/",
    "http://[::1/",
    "/" + "x" * 9000,
]


@pytest.mark.parametrize("location", BAD_LOCATIONS)
def test_a_location_that_may_not_be_called_ends_it(client: HttpClient, location: str) -> None:
    with Target(answering(to(location))) as target, pytest.raises(InvalidURL):
        client.call(get(target.url))


def test_a_redirect_to_nobody_is_a_connection_error(client: HttpClient) -> None:
    with Target(answering(OK)) as gone:
        pass
    with Target(answering(to(gone.url))) as target, pytest.raises(ConnectionError_):
        client.call(get(target.url))


SECRETS = {"Authorization": "Bearer s3cret", "Cookie": "a=s3cret", "X-Api-Key": "s3cret", "Private-Token": "s3cret"}
HARMLESS = {
    "Accept": "text/x",
    "Celeriac-Task-Id": "7",
    "Celeriac-Attempt": "1",
    "Idempotency-Key": "7",
    "User-Agent": "u",
}


def test_credentials_stay_with_their_origin(client: HttpClient) -> None:
    with Target(answering(OK)) as other, Target(answering(to(f"{other.url}/x", 307))) as target:
        client.call(Request("POST", target.url, {**SECRETS, **HARMLESS}, {}, {"a": 1}, 5.0))
    (received,) = other.received  # the same host, another port: another service
    assert b"s3cret" not in received.head
    assert {name: received.headers[name.lower()] for name in HARMLESS} == HARMLESS
    assert (received.method, received.body) == ("POST", b'{"a":1}')


def test_credentials_do_not_come_back_after_a_detour(client: HttpClient) -> None:
    with Target(answering(OK)) as home:
        with Target(answering(to(f"{home.url}/back"))) as other, Target(answering(to(other.url))) as target:
            client.call(Request("GET", target.url, SECRETS, {}, None, 5.0))
        assert b"s3cret" not in home.received[0].head


def test_credentials_travel_within_their_origin(client: HttpClient) -> None:
    with Target(answering(to("/x"), OK)) as target:
        client.call(Request("GET", target.url, SECRETS, {}, None, 5.0))
    assert {name: target.received[1].headers[name.lower()] for name in SECRETS} == SECRETS


def test_a_cookie_lives_for_its_call_only(client: HttpClient) -> None:
    with Target(answering(to("/x", 302, "Set-Cookie: session=1; Path=/"), OK)) as target:
        client.call(get(target.url))
        client.call(get(target.url))
        client.call(get(target.url))
    cookies = [received.headers.get("cookie") for received in target.received]
    assert cookies == [None, "session=1", None, None]


def test_the_tasks_own_cookie_is_not_mixed(client: HttpClient) -> None:
    with Target(answering(to("/x", 302, "Set-Cookie: session=1; Path=/"), OK)) as target:
        client.call(get(target.url, Cookie="mine=1"))
    assert target.received[1].headers["cookie"] == "mine=1"


def test_a_redirects_small_body_is_read_and_its_connection_kept(client: HttpClient) -> None:
    with Target(answering(to("/x", body=b"moved"), OK)) as target:
        assert client.call(get(target.url)).body == "ok"
        assert target.connections == 1


def test_a_redirects_large_body_is_not_read(client: HttpClient) -> None:
    def script(wire: Wire) -> None:
        if wire.number == 1:
            wire.request()
            wire.send(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
            wire.flood(b"x" * 4096)
        answering(OK)(wire)

    with Target(script) as target:
        assert client.call(get(target.url)).body == "ok"
        assert target.connections == 2


def test_a_redirect_whose_small_body_breaks_off_is_followed(client: HttpClient) -> None:
    def script(wire: Wire) -> None:
        if wire.number == 1:
            wire.request()
            wire.send(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 10\r\n\r\nabc")
        else:
            answering(OK)(wire)

    with Target(script) as target:
        assert client.call(get(target.url)).body == "ok"
