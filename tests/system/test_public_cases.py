"""Requests and answers as in public reports about comparable systems, sent to the real service from end to end.

One service serves all cases. The targets are on loopback and answer byte for byte. Hostile ones follow after the cases.
"""

from __future__ import annotations

import base64
import gzip
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.http.target import OK, Received, Script, Target, Wire, closing_after
from tests.lateness import Lateness
from tests.system import Started, needs_no_local_redis, needs_proc, wait_until

pytestmark = needs_proc

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
JSON = HEAD + b"Content-Type: application/json\r\n"
EMPTY = JSON + b"Content-Length: 2\r\n\r\n{}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CHAINED = """
def main():
    try:
        return {}["price"]
    except KeyError as error:
        raise RuntimeError("import failed") from error
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    needs_no_local_redis()
    started = Started(tmp_path_factory.mktemp("public") / "var")
    try:
        started.wait_until_ready()
        yield started
        started.end(signal.SIGTERM)
    finally:
        started.clean_up()


def run(service: Started, **spec: Any) -> dict[str, Any]:
    """Create a task and return it as it is once it is finished."""
    status, task = service.call("POST", "/api/tasks", {"name": "case", **spec}, Prefer="wait=4")
    assert status == 201, task
    if task["finished_at"] is None:
        task = service.get(f"/api/tasks/{task['id']}?wait=4")
    assert task["finished_at"] is not None
    found: dict[str, Any] = task
    return found


def call(service: Started, script: Script, path: str = "/", **spec: Any) -> tuple[dict[str, Any], list[Received]]:
    """Run an API task against a target, and return it with the requests that arrived."""
    with Target(script) as target:
        task = run(service, api_url=f"{target.url}{path}", **spec)
    return task, target.received


def problems(service: Started, path: str, body: object) -> list[dict[str, Any]]:
    """The problems of a request that is refused with 422."""
    status, answer = service.call("POST", path, body)
    assert status == 422, answer
    found: list[dict[str, Any]] = answer["errors"]
    return found


def redirecting(status: bytes) -> Script:
    """Redirect /start to /echo."""

    def script(wire: Wire) -> None:
        while (request := wire.request()) is not None:
            moved = b"HTTP/1.1 %s\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n" % status
            wire.send(moved if request.path == "/start" else OK)

    return script


def test_01_an_object_is_sent_as_a_form(service: Started) -> None:
    data = {"a": "1", "b": ["2", "3"], "c": "中 &"}
    _, (request,) = call(service, closing_after(EMPTY), method="POST", headers=FORM, data=data)
    assert request.body == b"a=1&b=2&b=3&c=%E4%B8%AD+%26"


def test_02_an_object_is_refused_under_multipart(service: Started) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    spec = {"name": "mp", "api_url": "http://127.0.0.1:9/", "method": "POST", "headers": headers, "data": {"a": "1"}}
    assert [problem["field"] for problem in problems(service, "/api/tasks", spec)] == ["data"]


def test_04_a_content_encoding_that_is_none_is_ignored(service: Started) -> None:
    answer = JSON + b'Content-Encoding: utf-8\r\nContent-Length: 7\r\n\r\n{"a":1}'
    task, _ = call(service, closing_after(answer))
    assert task["result"]["body"] == {"a": 1}


def test_05_cookies_stay_apart(service: Started) -> None:
    cookies = ["a=1; Path=/", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT"]
    lines = "".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies).encode()
    task, _ = call(service, closing_after(HEAD + lines + b"Content-Length: 0\r\n\r\n"))
    assert task["result"]["headers"]["Set-Cookie"] == cookies


def test_07_gbk_without_a_charset_loses_nothing(service: Started) -> None:
    body = "价格：乭丂".encode("gbk")
    head = HEAD + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    task, _ = call(service, closing_after(head + body))
    kept = task["result"]["body"]
    is_base64 = task["result"].get("body_encoding") == "base64"
    assert (base64.b64decode(kept) if is_base64 else kept.encode("gbk")) == body


def test_08_a_header_name_with_a_space_is_read(service: Started) -> None:
    task, _ = call(service, closing_after(JSON + b'X Name : 1\r\nContent-Length: 7\r\n\r\n{"a":1}'))
    assert (task["status"], task["result"]["status_code"], task["result"]["body"]) == ("succeeded", 200, {"a": 1})


def test_09_the_tasks_host_is_sent(service: Started) -> None:
    _, (request,) = call(service, closing_after(EMPTY), headers={"Host": "shop.example"})
    assert request.headers["host"] == "shop.example"


def test_10_params_are_lists_numbers_and_booleans(service: Started) -> None:
    _, (request,) = call(service, closing_after(EMPTY), params={"id": [1, 2], "page": 3, "all": True})
    assert request.path == "/?id=1&id=2&page=3&all=true"


def test_11_exit_0_is_a_success(service: Started) -> None:
    code = 'def main():\n    print("nothing to do")\n    exit(0)'
    task = run(service, function_name="main", function_code=code, max_retries=1, retry_delay=0)
    assert (task["status"], task["result"], task["attempt"]) == ("succeeded", None, 1)


def test_12_the_cause_of_an_exception_is_told(service: Started) -> None:
    task = run(service, function_name="main", function_code=CHAINED.strip())
    traceback = task["error"]["traceback"]
    assert "line 3" in traceback
    assert "KeyError: 'price'" in traceback
    assert "The above exception was the direct cause of the following exception" in traceback


def test_16_a_missing_argument_is_found_at_creation(service: Started) -> None:
    spec = {"name": "arity", "function_name": "main", "function_code": "def main(a):\n    return a"}
    assert problems(service, "/api/tasks", spec)


def test_17_a_post_that_became_a_get_is_told(service: Started) -> None:
    task, requests = call(service, redirecting(b"301 Moved"), "/start", method="POST", data={"a": 1})
    (redirect,) = task["result"]["redirects"]
    assert (redirect["status_code"], redirect["method"]) == (301, "GET")
    assert redirect["url"].endswith("/echo")
    assert [request.method for request in requests] == ["POST", "GET"]


def test_19_a_status_above_599_may_be_expected(service: Started) -> None:
    answer = b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    task, _ = call(service, closing_after(answer), expected_status=[999])
    assert task["status"] == "succeeded"


def test_20_uneven_steps_are_described_as_they_fire(service: Started) -> None:
    _, answer = service.call("POST", "/api/cron/preview", {"cron_expression": "*/50 * * * *", "count": 4})
    assert answer["description"] == "At 0 and 50 minutes past the hour"


def test_22_a_question_mark_is_a_star(service: Started) -> None:
    status, answer = service.call("POST", "/api/cron/preview", {"cron_expression": "0 0 12 * * ?", "count": 2})
    assert status == 200
    assert [run_at[11:19] for run_at in answer["next_runs"]] == ["12:00:00", "12:00:00"]


def test_23_an_unsupported_form_is_named_as_written(service: Started) -> None:
    (problem,) = problems(service, "/api/cron/preview", {"cron_expression": "0 0 L-1 * *"})
    assert problem["message"].startswith("day of month: 'L-1' is not supported (only L)")


def test_25_a_redirect_that_is_expected_is_not_followed(service: Started) -> None:
    task, requests = call(service, redirecting(b"302 Found"), "/start", expected_status=[302])
    assert (task["status"], task["result"]["status_code"], len(requests)) == ("succeeded", 302, 1)


def test_26_a_post_does_not_fail_for_a_connection_that_died_idle(service: Started) -> None:
    def closes_on_the_second(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()

    with Target(closes_on_the_second) as target:
        tasks = [run(service, api_url=f"{target.url}/x", method="POST", timeout=5) for _ in range(2)]
    assert [task["status"] for task in tasks] == ["succeeded", "succeeded"]


# --- hostile targets ------------------------------------------------------------------------------------

DOCUMENTED = {"HTTPStatusError", "ConnectionError", "TimeoutError", "TooManyRedirects", "InvalidURL"}


def answered(*lines: bytes, status: bytes = b"200 OK", body: bytes = b"") -> Script:
    """Answer with these header lines and this body, and close."""
    return closing_after(b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body]))


def then(head: bytes, go_on: Callable[[Wire], None]) -> Script:
    """Read the request, begin to answer, and go on in another way."""

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(head)
        go_on(wire)

    return script


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HOSTILE: dict[str, Script] = {
    "utf-16 without a mark": answered(b"Content-Type: text/plain; charset=utf-16", body=b"odd"),
    "a charset that is no charset": answered(b"Content-Type: text/plain; charset=base64", body=b"\xff"),
    "a year beyond the calendar": answered(b"Retry-After: Mon, 1 Jan 99999999999999999999 00:00:00 GMT"),
    "an offset beyond the day": answered(b"Retry-After: Mon, 01 Jan 2031 00:00:00 +9999999999", status=b"503 x"),
    "a length beyond a number": answered(b"Content-Length: " + b"9" * 4000),
    "a cookie beyond the calendar": answered(b"Location: /", b"Set-Cookie: a=1; Max-Age=1e999", status=b"301 x"),
    "three codings": answered(b"Content-Encoding: gzip, gzip, gzip", body=gzip.compress(b"") * 10_000),
    "empty gzip members": answered(b"Content-Encoding: gzip", body=gzip.compress(b"") * 50_000),
    "a status of four digits": answered(status=b"2000 OK"),
    "HTTP/0.9": closing_after(b"hello"),
    "no answer": closing_after(b""),
    "half an answer": answered(b"Content-Length: 10", body=b"half"),
    "a redirect to no host": answered(b"Location: //", status=b"307 x"),
    "a name with NUL": answered(b"X\x00: 1"),
    "a chunk without a number": closing_after(CHUNKED + b"-1\r\n"),
    "interim answers without end": then(b"", lambda wire: wire.flood(b"HTTP/1.1 103 x\r\n\r\n" * 100)),
    "headers without end": then(HEAD, lambda wire: wire.flood(b"X: 1\r\n" * 1000)),
    "a body without end": then(CHUNKED, lambda wire: wire.flood(b"1\r\nx\r\n" * 1000)),
    "a head byte by byte": then(HEAD, lambda wire: wire.drip(b"X: 1\r\n")),
    "silence": then(b"", Wire.hold),
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_ends_in_time_after_one_request(service: Started, script: Script) -> None:
    with Lateness() as late:
        task, requests = call(service, script, method="POST", data={"a": 1}, timeout=2)
    assert task["error"] is None or task["error"]["type"] in DOCUMENTED
    assert (task["attempt"], [request.method for request in requests].count("POST")) == (1, 1)
    assert task["duration_ms"] < 3_000 + late.seconds * 1000


@pytest.mark.parametrize("name", ["a head byte by byte", "silence"])
def test_a_call_of_a_hostile_target_is_stopped_within_a_second(service: Started, name: str) -> None:
    with Target(HOSTILE[name]) as target:
        task = service.post("/api/tasks", {"name": "stopped", "api_url": target.url, "timeout": 60})
        wait_until(lambda: target.received, 15, "the request")
        began = time.monotonic()
        status, stopped = service.call("POST", f"/api/tasks/{task['id']}/stop")
        assert time.monotonic() - began < 5, "the call may take 60 seconds"
    assert (status, stopped["status"]) == (200, "stopped")
