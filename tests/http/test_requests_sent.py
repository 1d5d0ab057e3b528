"""What arrives at the target."""

from __future__ import annotations

import json

import pytest
import requests
from urllib3.util import SKIP_HEADER

from tasks.http import AddressPolicy, CallError, HttpClient, InvalidURL, Request
from tasks.http.adapter import GuardedAdapter
from tests.http.target import OK, Target, answering, get, http, send


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_each_method_arrives(client: HttpClient, method: str) -> None:
    answer = http(status="204 No Content") if method == "HEAD" else OK
    with Target(answering(answer)) as target:
        client.call(send(method, target.url))
    assert [received.method for received in target.received] == [method]


@pytest.mark.parametrize("data", [{"a": [1, None, "é"]}, {}, [], [1, 2], 7, True])
def test_objects_and_arrays_arrive_as_json(client: HttpClient, data: object) -> None:
    with Target(answering(OK)) as target:
        client.call(send("POST", target.url, data))
    (received,) = target.received
    assert json.loads(received.body) == data
    assert received.headers["content-type"] == "application/json"


def test_a_string_arrives_as_it_is(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(send("POST", target.url, "<é/>", Content_Type="text/xml"))
        client.call(send("POST", target.url, '{"a": 1}'))
    first, second = target.received
    assert (first.body, first.headers["content-type"]) == ("<é/>".encode(), "text/xml")
    assert (second.body, "content-type" in second.headers) == (b'{"a": 1}', False)


def test_the_tasks_own_content_type_goes_with_json(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(send("POST", target.url, {}, Content_Type="application/vnd.api+json"))
    assert target.received[0].headers["content-type"] == "application/vnd.api+json"


def test_a_post_without_data_says_that_its_body_is_empty(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(send("POST", target.url))
        client.call(get(target.url))
    assert [received.headers.get("content-length") for received in target.received] == ["0", None]


def test_params_are_added_to_the_query(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        request = Request("GET", f"{target.url}/p q?a=1#f", {}, {"b": "2&3", "é": " "}, None, 5.0)
        response = client.call(request)
    assert target.received[0].path == "/p%20q?a=1&b=2%263&%C3%A9=+"
    assert response.url == f"{target.url}/p%20q?a=1&b=2%263&%C3%A9=+#f"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/100%/a%2Fb?q=%E4%B8%AD", "/100%25/a%2Fb?q=%E4%B8%AD"),
        ("/a%2Fb?q=50%&r=%2F", "/a%2Fb?q=50%25&r=%2F"),
        ("/%zz/é%2f", "/%25zz/%C3%A9%2F"),
        ("/%2", "/%252"),
    ],
)
def test_a_lone_percent_sign_leaves_the_escapes_alone(client: HttpClient, written: str, sent: str) -> None:
    with Target(answering(OK)) as target:
        assert client.call(get(f"{target.url}{written}")).url == f"{target.url}{sent}"
    assert target.received[0].path == sent


def test_headers_of_the_task_arrive_and_have_defaults(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(get(target.url, X_Key="k", X_Name="é", user_agent="mine"))
    headers = target.received[0].headers
    assert headers["x-key"] == "k"
    assert headers["x-name"].encode("latin-1").decode() == "é"
    assert headers["user-agent"] == "mine"
    assert headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Length", "100"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close, X-Key"),
        ("Keep-Alive", "timeout=77"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQ"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Accept-Encoding", "compress, x-odd"),
    ],
)
def test_headers_that_frame_or_route_are_ours(client: HttpClient, name: str, value: str) -> None:
    with Target(answering(OK)) as target:
        client.call(Request("PUT", target.url, {name: value, name.lower(): value}, {}, "abc", 5.0))
        client.call(get(target.url))  # and the connection is still in step
    first, _ = target.received
    assert value.encode() not in first.head
    assert first.headers["host"] == f"127.0.0.1:{target.port}"
    assert (first.headers["content-length"], first.body) == ("3", b"abc")
    assert target.connections == 1


def test_identity_is_a_fair_wish(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(get(target.url, accept_encoding="identity"))
    assert target.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\nb"},
        {"X": "a\rb"},
        {"X": "a\x00b"},
        {"X": "\ud800"},
        {"X\r\nY": "a"},
        {"X Y": "a"},
        {"X:": "a"},
        {"": "a"},
        {"é": "a"},
    ],
)
def test_a_header_that_could_split_the_request_is_refused(client: HttpClient, headers: dict[str, str]) -> None:
    with Target(answering(OK)) as target:
        with pytest.raises(InvalidURL):
            client.call(Request("GET", target.url, headers, {}, None, 5.0))
        assert target.connections == 0


@pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": object()}, "\ud800", {1, 2}])
def test_data_that_cant_be_sent_is_refused(client: HttpClient, data: object) -> None:
    with pytest.raises(InvalidURL):
        client.call(send("POST", "http://127.0.0.1:9/", data))


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", ""])
def test_a_method_outside_the_contract_is_refused(client: HttpClient, method: str) -> None:
    with pytest.raises(InvalidURL):
        client.call(send(method, "http://127.0.0.1:9/"))


def test_an_error_never_holds_a_headers_value(client: HttpClient) -> None:
    with pytest.raises(CallError) as caught:
        client.call(get("http://127.0.0.1:9/", Authorization="Bearer s3cret\n"))
    assert "s3cret" not in caught.value.message


def test_an_object_is_sent_as_a_form_where_its_type_says_so(client: HttpClient) -> None:
    data = {"a": "1", "b": ["2", "3"], "c": "中 &", "n": 1.5, "t": True}
    with Target(answering(OK)) as target:
        client.call(send("POST", target.url, data, Content_Type="application/x-www-form-urlencoded"))
    (received,) = target.received
    assert received.body == b"a=1&b=2&b=3&c=%E4%B8%AD+%26&n=1.5&t=true"
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert received.headers["content-length"] == str(len(received.body))


@pytest.mark.parametrize("content_type", ["multipart/form-data", "text/plain", "application/xml", "text/csv"])
def test_an_object_is_never_sent_under_a_type_that_cant_carry_it(client: HttpClient, content_type: str) -> None:
    with Target(answering(OK)) as target:
        with pytest.raises(InvalidURL, match=f"must be a string to be sent as {content_type}"):
            client.call(send("POST", target.url, {"a": "1"}, content_type=content_type))
        assert target.connections == 0


def test_a_string_is_sent_in_the_charset_that_is_declared(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(send("POST", target.url, "<价格/>", Content_Type="text/xml; charset=GBK"))
        with pytest.raises(InvalidURL, match="holds a character that iso8859-1 can't carry"):
            client.call(send("POST", target.url, "价", Content_Type="text/plain; charset=iso-8859-1"))
        with pytest.raises(InvalidURL, match="'klingon' is not a known charset"):
            client.call(send("POST", target.url, "x", Content_Type="text/plain; charset=klingon"))
    assert [received.body for received in target.received] == ["<价格/>".encode("gbk")]


def test_params_may_be_numbers_booleans_and_arrays(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(Request("GET", target.url, {}, {"id": [1, 2], "page": 3, "all": True, "x": 0.5}, None, 5.0))
        with pytest.raises(InvalidURL, match="the value of a must be a string, a number, a boolean"):
            client.call(Request("GET", target.url, {}, {"a": {"b": 1}}, None, 5.0))
    assert [received.path for received in target.received] == ["/?id=1&id=2&page=3&all=true&x=0.5"]


def test_header_values_may_be_numbers_and_booleans(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(Request("GET", target.url, {"X-N": 3, "X-F": 1.5, "X-B": False}, {}, None, 5.0))
    headers = target.received[0].headers
    assert (headers["x-n"], headers["x-f"], headers["x-b"]) == ("3", "1.5", "false")


@pytest.mark.parametrize("name", ["X-A", "User-Agent"])
def test_a_value_that_means_something_to_urllib3_is_sent_as_it_is(client: HttpClient, name: str) -> None:
    with Target(answering(OK)) as target:
        client.call(Request("GET", target.url, {name: SKIP_HEADER}, {}, None, 5.0))
    assert target.received[0].headers[name.lower()] == SKIP_HEADER


@pytest.mark.parametrize("method", ["post", "Post", "pOST"])
def test_a_method_may_be_written_in_any_case(client: HttpClient, method: str) -> None:
    with Target(answering(OK)) as target:
        client.call(send(method, target.url))
    assert target.received[0].method == "POST"


@pytest.mark.parametrize("host", ["shop.example", "shop.example:8443", "[::1]", "SHOP_1.example"])
def test_the_tasks_host_is_sent_once(client: HttpClient, host: str) -> None:
    with Target(answering(OK)) as target:
        client.call(get(target.url, Host=host))
    assert target.received[0].head.lower().count(b"\r\nhost:") == 1
    assert target.received[0].headers["host"] == host


@pytest.mark.parametrize("host", ["", "a b", "a, b", "http://a", "a/b", "user@a", "a:b", "a:123456", "é"])
def test_what_is_no_host_is_refused(client: HttpClient, host: str) -> None:
    with Target(answering(OK)) as target:
        with pytest.raises(InvalidURL, match="the header Host must be a host, or host:port"):
            client.call(get(target.url, Host=host))
        assert target.connections == 0


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
def test_no_control_character_is_sent_in_a_header(client: HttpClient, code: int) -> None:
    with Target(answering(OK)) as target:
        with pytest.raises(InvalidURL, match="the value of the header X-A holds a character"):
            client.call(get(target.url, X_A=f"a{chr(code)}b"))
        assert target.connections == 0


@pytest.mark.parametrize("value", ["a\x01b", b"a\x01b", b"a\x7f"])
def test_the_last_check_before_the_wire_looks_at_every_header(value: str | bytes) -> None:
    """Wherever it came from: here from a session of requests, which lets it pass."""
    with Target(answering(OK)) as target, requests.Session() as session:
        session.mount("http://", GuardedAdapter(AddressPolicy(allow_private=True)))
        with pytest.raises(InvalidURL, match="the value of the header X-A holds a character"):
            session.get(target.url, headers={"X-A": value})
        assert target.received == []
