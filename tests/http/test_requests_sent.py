"""What arrives at the target."""

from __future__ import annotations

import json

import pytest

from tasks.http import CallError, HttpClient, InvalidURL, Request
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


def test_headers_of_the_task_arrive_and_have_defaults(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        client.call(get(target.url, X_Key="k", X_Name="é", user_agent="mine"))
    headers = target.received[0].headers
    assert headers["x-key"] == "k"
    assert headers["x-name"].encode("latin-1").decode() == "é"
    assert headers["user-agent"] == "mine"
    assert headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal.example"),
        ("Content-Length", "100"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close, X-Key"),
        ("Keep-Alive", "timeout=77"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQ"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Accept-Encoding", "br, zstd"),
    ],
)
def test_headers_that_frame_or_route_are_ours(client: HttpClient, name: str, value: str) -> None:
    with Target(answering(OK)) as target:
        client.call(Request("POST", target.url, {name: value, name.lower(): value}, {}, "abc", 5.0))
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
