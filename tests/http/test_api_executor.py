"""An API task's attempt: what is sent for it, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.domain.outcome import Outcome
from tasks.executors.api import ApiExecutor
from tasks.http import AddressPolicy, HttpClient, retry_after_seconds
from tasks.http.retry_after import MAX_RETRY_AFTER_SECONDS
from tests.http.attempts import TASK_ID, attempt_of
from tests.http.target import OK, Target, answering, http

JSON = "Content-Type: application/json"


@pytest.fixture
def executor() -> Iterator[ApiExecutor]:
    client = HttpClient(AddressPolicy(allow_private=True))
    yield ApiExecutor(client)
    client.close()


def executed(executor: ApiExecutor, url: str, **spec: Any) -> Outcome:
    return executor.execute(attempt_of(number=2, max_retries=3, api_url=url, **spec), executor.new_cancel())


def result_of(outcome: Outcome) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(outcome.result_json or b"null")
    return result


def test_an_attempt_says_which_it_is(executor: ApiExecutor) -> None:
    with Target(answering(OK)) as target:
        executed(executor, target.url, headers={"celeriac-task-id": "forged", "X-N": 1})
    headers = target.received[0].headers
    assert (headers["celeriac-task-id"], headers["celeriac-attempt"]) == (TASK_ID, "2")
    assert headers["idempotency-key"] == TASK_ID
    assert headers["x-n"] == "1"


@pytest.mark.parametrize("expected", [[302], ["302"], ["3xx"]])
def test_a_redirect_is_the_answer_where_the_task_says_so(executor: ApiExecutor, expected: Any) -> None:
    with Target(answering(http(b"", "Location: /x", status="302 Found"))) as target:
        outcome = executed(executor, target.url, follow_redirects=False, expected_status=expected)
    assert (outcome.failure, result_of(outcome)["status_code"]) == (None, 302)


def test_a_status_beyond_599_may_be_expected(executor: ApiExecutor) -> None:
    with Target(answering(http(b"", status="999 Odd"))) as target:
        assert executed(executor, target.url, expected_status=[999]).failure is None
        outcome = executed(executor, target.url)
    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.failure.message) == ("HTTPStatusError", "the target answered 999")


def test_a_post_that_became_a_get_is_told(executor: ApiExecutor) -> None:
    with Target(answering(http(b"", "Location: /echo", status="301 Moved"), OK)) as target:
        outcome = executed(executor, target.url, method="post", data={"a": 1})
    assert result_of(outcome)["redirects"] == [{"status_code": 301, "method": "GET", "url": f"{target.url}/echo"}]


# expected_body, the answer's body and type, what is wrong with it
BODIES = [
    ({"contains": "ok"}, b"all ok", "text/plain", None),
    ({"contains": '"code": 0'}, b'{"code": 0}', "application/json", None),
    ({"contains": "ok"}, b"bad", "text/plain", 'the body does not contain "ok"'),
    ({"contains": "ok"}, b"", "text/plain", 'the body does not contain "ok"'),
    ({"contains": "ok"}, b"ok", "image/png", 'the body does not contain "ok": it is not text'),
    ({"contains": "价格"}, "价格：今天的价格很好".encode("gbk"), "text/plain", None),
    ({"json": {"/code": 0}}, b'{"code": 0, "msg": "ok"}', "application/json", None),
    ({"json": {"/code": 0}}, b'{"code": 0.0}', "application/json", None),
    ({"json": {"/code": 0}}, b'{"code": 0}', "text/html", None),
    ({"json": {"/code": 0}}, b'{"code": 0}', "application/octet-stream", None),  # what nginx says of unknown files
    ({"json": {"/a": "é"}}, b"\xef\xbb\xbf" + '{"a": "é"}'.encode(), "application/octet-stream", None),
    ({"json": {"/code": 0}}, b'{"code": 7}', "application/octet-stream", "the body's /code is 7, expected 0"),
    ({"json": {"": 0}}, b"0" + b" " * 1_048_576, "application/octet-stream", "the body is not JSON: it is not text"),
    ({"json": {"": "a"}}, b'"a"', "application/json", None),
    ({"json": {"/a/0/b": None}}, b'{"a": [{"b": null}]}', "application/json", None),
    ({"json": {"/code": 0}}, b'{"code": 7}', "application/json", "the body's /code is 7, expected 0"),
    ({"json": {"/code": 0}}, b'{"code": false}', "application/json", "the body's /code is false, expected 0"),
    ({"json": {"/code": 0}}, b'{"code": "0"}', "application/json", 'the body\'s /code is "0", expected 0'),
    ({"json": {"/code": 0}}, b"{}", "application/json", "the body's /code does not exist; expected 0"),
    ({"json": {"/code": None}}, b"{}", "application/json", "the body's /code does not exist; expected null"),
    ({"json": {"/code": 0}}, b"<html>", "application/json", "the body is not JSON"),
    ({"json": {"/code": 0}}, b"\x89", "image/png", "the body is not JSON: it is not text"),
    ({"json": {"/code": 0}}, b"", "application/json", "the body's /code does not exist; expected 0"),
    ({"json": {"": []}}, b"{}", "application/json", "the body is {}, expected []"),
]


@pytest.mark.parametrize(("expected_body", "body", "content_type", "wrong"), BODIES)
def test_a_body_must_be_as_expected(
    executor: ApiExecutor, expected_body: Any, body: bytes, content_type: str, wrong: str | None
) -> None:
    with Target(answering(http(body, f"Content-Type: {content_type}"))) as target:
        outcome = executed(executor, target.url, expected_body=expected_body)
    if wrong is None:
        assert outcome.failure is None
    else:
        assert outcome.failure is not None
        assert (outcome.failure.type, outcome.failure.message) == ("BodyError", wrong)
        assert outcome.retryable
        assert result_of(outcome)["status_code"] == 200, "the answer is kept beside the error"


def test_a_body_is_not_looked_at_where_the_status_is_wrong(executor: ApiExecutor) -> None:
    with Target(answering(http(b"{}", JSON, status="404 Not Found"))) as target:
        outcome = executed(executor, target.url, expected_body={"json": {"/code": 0}})
    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.retryable) == ("HTTPStatusError", False)


def test_a_target_that_wants_no_retry_gets_none(executor: ApiExecutor) -> None:
    with Target(answering(http(b"no", "Upstash-NonRetryable-Error: true"))) as target:
        assert not executed(executor, target.url, expected_body={"contains": "yes"}).retryable
    with Target(answering(http(b"no", status="489 Never Again"))) as target:
        outcome = executed(executor, target.url, expected_status=["4xx"], expected_body={"contains": "yes"})
    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.retryable) == ("BodyError", False)


def test_a_message_quotes_a_bounded_part(executor: ApiExecutor) -> None:
    with Target(answering(http(json.dumps({"a": "x" * 5000}).encode(), JSON))) as target:
        outcome = executed(executor, target.url, expected_body={"json": {"/a": "y" * 5000}})
    assert outcome.failure is not None
    assert len(outcome.failure.message) < 500


def test_several_retry_after_headers_are_read_by_the_first(executor: ApiExecutor) -> None:
    with Target(answering(http(b"", "Retry-After: 7", "Retry-After: 9", status="503 Busy"))) as target:
        outcome = executed(executor, target.url)
    assert (outcome.retry_after_seconds, outcome.retryable) == (7.0, True)


NOW_MS = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT

RETRY_AFTER = [
    (None, None),
    ("", None),
    ("120", 120.0),
    (" 120 ", 120.0),
    ("0", 0.0),
    ("000000000000120", 120.0),
    ("9" * 60, MAX_RETRY_AFTER_SECONDS),
    ("9" * 70000, None),
    ("-1", None),
    ("2.0", 2.0),  # of Shopify
    ("1.5", 2.0),
    ("0.001", 1.0),
    ("9" * 50 + ".9", MAX_RETRY_AFTER_SECONDS),
    ("1.", None),
    (".5", None),
    ("1.5.0", None),
    ("1e3", None),
    ("٣", None),
    ("1.٣", None),
    ("soon", None),
    ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
    ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
    ("Tue Nov 14 22:14:20 2023", 60.0),
    ("Tue, 14 Nov 2023 22:14:20", 60.0),
    ("Tue, 14 Nov 2023 23:14:20 +0100", 60.0),
    ("Tue, 14 Nov 2000 22:14:20 GMT", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_SECONDS),
    ("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", None),
    ("Tue, 14 Nov 2023 22:14:20 +99999999999999", None),
    ("Mon, 1 Jan 0001 00:00:00 +2359", 0.0),
    ("Mon, 99 Jan 2023 99:99:99 GMT", None),
    ("Mon, 1 Jan -5 00:00:00 GMT", None),
]


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after_is_seconds_or_a_date_within_bounds(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW_MS) == seconds


def test_a_firings_call_says_when_it_was_scheduled(executor: ApiExecutor) -> None:
    attempt = replace(attempt_of(api_url="http://x/"), scheduled_task_id="0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a41")
    with Target(answering(OK)) as target:
        executor.execute(replace(attempt, spec={**attempt.spec, "api_url": target.url}), executor.new_cancel())
        executor.execute(attempt_of(api_url=target.url), executor.new_cancel())
    scheduled, other = (received.head.lower() for received in target.received)
    assert b"celeriac-scheduled-at: 2025-08-29t02:57:37.822z" in scheduled
    assert b"celeriac-scheduled-at" not in other
