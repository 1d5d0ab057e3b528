"""Redirects: method, headers, credentials, and the errors at their end."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from tasks.http import (
    AddressPolicy,
    BlockedAddressError,
    ConnectionError_,
    HttpClient,
    InvalidURL,
    Request,
    TooManyRedirects,
)
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
    ("/100%/a%2Fb?q=%26", "/100%25/a%2Fb?q=%26"),
    ("  /trimmed  ", "/trimmed"),
]


@pytest.mark.parametrize(("location", "path"), LOCATIONS)
def test_a_location_is_resolved_against_the_url(client: HttpClient, location: str, path: str) -> None:
    with Target(answering(to(location), OK)) as target:
        client.call(get(f"{target.url}/a/x"))
    assert target.received[1].path == path


@pytest.mark.parametrize("second", ["/b", "/other", "ftp://elsewhere/", ""])
def test_the_first_of_several_locations_counts(client: HttpClient, second: str) -> None:
    with Target(answering(to("/b", 302, f"Location: {second}"), OK)) as target:
        response = client.call(get(f"{target.url}/a"))
    assert ([request.path for request in target.received], response.url) == (["/a", "/b"], f"{target.url}/b")


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
    "http://",
    "HTTP:///path",
    "//",
    "//?x",
    "/" + "x" * 9000,
]


@pytest.mark.parametrize("location", BAD_LOCATIONS)
def test_a_location_that_may_not_be_called_ends_it(client: HttpClient, location: str) -> None:
    refused = pytest.raises(InvalidURL, match=r"^the redirect can't be followed: the URL")
    with Target(answering(to(location, 307))) as target:
        with refused:
            client.call(send("POST", target.url))
        assert len(target.received) == 1


def test_a_redirect_to_nobody_is_a_connection_error_of_the_redirect(client: HttpClient) -> None:
    with Target(answering(OK)) as gone:
        pass
    refused = pytest.raises(ConnectionError_, match=r"^after a redirect: 127\.0\.0\.1 at port [0-9]+ refused")
    with Target(answering(to(gone.url))) as target, refused:
        client.call(get(target.url))


def test_a_redirect_inside_is_blocked_as_the_redirects() -> None:
    client = HttpClient(AddressPolicy(allowed_networks=(ip_network("127.0.0.1"),)))
    refused = pytest.raises(
        BlockedAddressError, match=r"^after a redirect: 10\.0\.0\.1 at port 80 is not open to tasks$"
    )
    with Target(answering(to("http://10.0.0.1/"))) as target, refused:
        client.call(get(target.url))
    client.close()


def test_the_first_targets_failure_is_no_redirects(client: HttpClient) -> None:
    with pytest.raises(InvalidURL, match=r"^the URL must begin with"):
        client.call(get("ftp://127.0.0.1/"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_the_answer_where_it_is_not_followed(client: HttpClient, status: int) -> None:
    with Target(answering(to("ftp://nowhere/", status, body=b"moved"), OK)) as target:
        response = client.call(replace(send("POST", target.url, "x"), follow_redirects=False))
        assert len(target.received) == 1
    assert (response.status_code, response.header("location"), response.redirects) == (status, "ftp://nowhere/", ())


def test_the_result_tells_what_was_followed(client: HttpClient) -> None:
    with Target(answering(to("/b", 307), to("/c?x=1", 301), to("/d", 302), OK)) as target:
        result = client.call(send("POST", f"{target.url}/a", {"a": 1})).as_result()
    assert result["redirects"] == [
        {"status_code": 307, "method": "POST", "url": f"{target.url}/b"},
        {"status_code": 301, "method": "GET", "url": f"{target.url}/c?x=1"},
        {"status_code": 302, "method": "GET", "url": f"{target.url}/d"},
    ]
    assert result["url"] == f"{target.url}/d"
    assert [received.method for received in target.received] == ["POST", "POST", "GET", "GET"]


def test_the_tasks_host_stays_with_its_origin(client: HttpClient) -> None:
    with Target(answering(OK)) as other, Target(answering(to("/same"), to(other.url))) as target:
        client.call(get(target.url, Host="shop.example"))
    assert [received.headers["host"] for received in target.received] == ["shop.example"] * 2
    assert other.received[0].headers["host"] == f"127.0.0.1:{other.port}"


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


SPLITTING = [
    b"Set-Cookie: a=1\r\n X-Evil: 1",  # folded
    b"Set-Cookie: a=1;\r\n\tb=2",
    b"Set-Cookie: a=1\rX-Evil: 1",
    b"Set-Cookie: a=\x001",
    b"Set-Cookie: a=\x011",
    b"Set-Cookie: a=1\x7f",
    b"Set-Cookie: " + b"a=1" * 6_000,
]


@pytest.mark.parametrize("line", SPLITTING)
def test_a_cookie_never_splits_the_next_request(client: HttpClient, line: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n" + line + b"\r\nSet-Cookie: good=1\r\nContent-Length: 0\r\n\r\n"
    with Target(answering(answer, OK)) as target:
        assert client.call(get(target.url)).body == "ok"
    head = target.received[1].head
    assert b"good=1" in head
    assert b"x-evil" not in {line.partition(b":")[0].lower() for line in head.split(b"\r\n")}
    assert not [byte for byte in head.replace(b"\r\n", b"") if byte < 0x20 or byte == 0x7F]


def test_cookies_of_one_answer_are_bounded(client: HttpClient) -> None:
    many = [f"Set-Cookie: c{number}=1" for number in range(200)]
    with Target(answering(to("/x", 302, *many), OK)) as target:
        client.call(get(target.url))
    assert target.received[1].headers["cookie"].count("=") == 50


@pytest.mark.parametrize("expires", ["Wed, 01 Jan 99999999999999999999 00:00:00 GMT", "x" * 3000, "-1"])
def test_a_cookie_with_an_absurd_date_harms_nothing(client: HttpClient, expires: str) -> None:
    with Target(answering(to("/x", 302, f"Set-Cookie: a=1; Expires={expires}; Max-Age={expires}"), OK)) as target:
        assert client.call(get(target.url)).body == "ok"


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
