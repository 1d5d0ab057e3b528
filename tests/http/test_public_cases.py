"""What people reported about comparable systems: forms, redirects, odd answers. Each with the right value."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.outcome import Outcome
from tasks.executors.api import ApiExecutor
from tasks.http import AddressPolicy, HttpClient
from tests.http.attempts import attempt_of
from tests.http.target import OK, Script, Target, Wire, answering

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def executor() -> Iterator[ApiExecutor]:
    client = HttpClient(AddressPolicy(allow_private=True))
    yield ApiExecutor(client)
    client.close()


def run(executor: ApiExecutor, script: Script, path: str = "/", **spec: Any) -> tuple[Outcome, dict[str, Any], Target]:
    """The outcome, its result, and the target that was called."""
    with Target(script) as target:
        attempt = attempt_of(api_url=f"{target.url}{path}", **spec)
        outcome = executor.execute(attempt, executor.new_cancel())
    return outcome, json.loads(outcome.result_json or b"{}"), target


def head_with(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Connection: close", b"", b""])


def test_01_an_object_is_sent_as_a_form(executor: ApiExecutor) -> None:
    data = {"a": "1", "b": ["2", "3"], "c": "中 &"}
    _, _, target = run(executor, answering(EMPTY), method="POST", headers=FORM, data=data)
    assert target.received[0].body == b"a=1&b=2&b=3&c=%E4%B8%AD+%26"


def test_02_an_object_is_not_sent_as_json_under_multipart(executor: ApiExecutor) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    outcome, _, target = run(executor, answering(EMPTY), method="POST", headers=headers, data={"a": "1"})
    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.retryable, target.connections) == ("InvalidURL", False, 0)


@pytest.mark.parametrize("coding", [b"utf-8", b"UTF-8", b"none", b"binary", b"text/plain", b"", b"iso-8859-1, utf-8"])
def test_04_a_content_coding_that_is_none_is_ignored(executor: ApiExecutor, coding: bytes) -> None:
    head = head_with(b"Content-Type: application/json", b"Content-Encoding: " + coding, b"Content-Length: 7")
    _, result, _ = run(executor, answering(head + b'{"a":1}'))
    assert result["body"] == {"a": 1}


def test_05_several_cookies_stay_several(executor: ApiExecutor) -> None:
    cookies = ["a=1; Path=/", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"]
    lines = [f"Set-Cookie: {cookie}".encode() for cookie in cookies]
    _, result, _ = run(executor, answering(head_with(*lines, b"Content-Length: 0")))
    assert result["headers"]["Set-Cookie"] == cookies


@pytest.mark.parametrize("text", ["价格：乭丂", "价格：一百二十元", "订单已经发货，请注意查收。"])
def test_07_gbk_without_charset_loses_nothing(executor: ApiExecutor, text: str) -> None:
    body = text.encode("gbk")
    head = head_with(b"Content-Type: text/plain", b"Content-Length: %d" % len(body))
    _, result, _ = run(executor, answering(head + body))
    if result.get("body_encoding") == "base64":
        assert base64.b64decode(result["body"]) == body
    else:
        assert result["body"] == text


@pytest.mark.parametrize("line", [b"X Name : 1", b"X-Name : 1", b"X-Name\t: 1", b"X-Name :1 ", b"X Name:1"])
def test_08_white_space_before_the_colon_is_read_over(executor: ApiExecutor, line: bytes) -> None:
    head = head_with(line, b"Content-Type: application/json", b"Content-Length: 7")
    outcome, result, _ = run(executor, answering(head + b'{"a":1}'))
    assert outcome.failure is None
    assert (result["status_code"], result["body"]) == (200, {"a": 1})
    assert result["headers"].get("X-Name", result["headers"].get("X Name")) == "1"


def test_09_the_tasks_host_is_sent(executor: ApiExecutor) -> None:
    _, _, target = run(executor, answering(EMPTY), headers={"Host": "shop.example"})
    hosts = [line for line in target.received[0].head.split(b"\r\n") if line.lower().startswith(b"host:")]
    assert hosts == [b"Host: shop.example"]


def test_10_params_are_lists_numbers_and_booleans(executor: ApiExecutor) -> None:
    _, _, target = run(executor, answering(EMPTY), params={"id": [1, 2], "page": 3, "all": True})
    assert target.received[0].path == "/?id=1&id=2&page=3&all=true"


def test_17_a_post_that_became_a_get_is_told(executor: ApiExecutor) -> None:
    moved = b"HTTP/1.1 301 Moved\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n"
    _, result, target = run(executor, answering(moved, EMPTY), path="/r301", method="POST", data={"a": 1})
    assert result["redirects"] == [{"status_code": 301, "method": "GET", "url": f"{target.url}/echo"}]


@pytest.mark.parametrize("status", [600, 666, 999])
def test_19_a_status_above_599_may_be_expected(executor: ApiExecutor, status: int) -> None:
    answer = b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status
    outcome, _, _ = run(executor, answering(answer), expected_status=[status])
    assert outcome.failure is None


def test_25_a_redirect_need_not_be_followed(executor: ApiExecutor) -> None:
    found = b"HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n"
    for wanted in ({"expected_status": [302]}, {"follow_redirects": False}):
        outcome, result, _ = run(executor, answering(found), **wanted)
        assert (result["status_code"], result["redirects"]) == (302, [])
        assert (outcome.failure is None) == ("expected_status" in wanted)


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET", "PUT"])
def test_26_no_request_fails_for_a_connection_that_died_idle(executor: ApiExecutor, method: str) -> None:
    def closes_on_the_second(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()

    with Target(closes_on_the_second) as target:
        for _ in range(3):
            attempt = attempt_of(api_url=target.url, method=method)
            assert executor.execute(attempt, executor.new_cancel()).failure is None
