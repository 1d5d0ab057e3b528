"""Every error, in the one shape; and over a real server, where bodies come in pieces and logs are written.

Every way to fail, for every operation: test_every_failure.py. Bad input: test_bad_input.py. Keys: test_guard.py.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.api.head_limits import MAX_HEADERS_BYTES, MAX_URL_BYTES
from app.api.operations import OPERATIONS
from app.api.problems import PROBLEMS
from app.api.unread_bodies import MAX_DROPPED_BYTES
from app.settings import ApiKey, Settings
from tests.api.calls import CALL, CODE, EVERY_CALL, EVERY_MINUTE, UNKNOWN_ID, Api, PlayedWorker, operation_of
from tests.api.conftest import MakeWeb
from tests.servers import ROOT, ModuleProcess, throw_away_redis, wait_until

MEMBERS = ["type", "title", "status", "detail", "instance", "errors", "request_id"]
LIMIT_BYTES = 1_048_576
READ_KEY = "read-key-0123456789abcdef0123456789abcdef"
WITHOUT_REDIS = {
    *("/", "/docs", "/openapi.json", "/metrics", "/api/whoami", "/api/cron/preview"),
    *("/health", "/api/health", "/health/live", "/health/ready"),
}
LEAKS = ("Traceback", str(ROOT), "site-packages", '.py"', "line 1, in")


def check_problem(status: int, content_type: str | None, text: str, path: str) -> dict[str, Any]:
    """Check that it is a complete problem document that reveals nothing about the service."""
    assert content_type == "application/problem+json"
    problem: dict[str, Any] = json.loads(text)
    assert [name for name in MEMBERS if name in problem] == MEMBERS
    assert (problem["status"], problem["instance"]) == (status, path)
    assert problem["type"].startswith("urn:celeriac:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert [leak for leak in LEAKS if leak in text] == []
    return problem


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/api/tasks/%E4%B8%AD%20<b>", "/api/tasks/%E4%B8%AD%20%3Cb%3E"),
        ("/api/%0D%0AX:1", "/api/%0D%0AX:1"),
        ("/api/a%25b;c=(1)@~", "/api/a%25b;c=(1)@~"),
    ],
)
def test_the_instance_is_a_uri_reference(api: Api, path: str, instance: str) -> None:
    response = api.get(path)
    check_problem(404, response.content_type, response.text, instance)


# --- each status of the contract's table -----------------------------------------------------------


def test_each_status_of_the_table_has_the_shape(make_web: MakeWeb, api: Api, worker: PlayedWorker) -> None:
    finished = api.create()["id"]
    worker.succeed(finished)
    guarded = make_web(Settings(api_keys=(ApiKey("r", "read", READ_KEY),)))
    reader = Api(guarded, {"X-API-Key": READ_KEY})
    as_json = {"content_type": "application/json"}
    seen = {
        400: ("/api/tasks", api.call("POST", "/api/tasks", data=b"{", **as_json)),
        401: ("/api/tasks", Api(guarded).get("/api/tasks")),
        403: ("/api/tasks", reader.post("/api/tasks", CODE)),
        404: (f"/api/tasks/{UNKNOWN_ID}", api.get(f"/api/tasks/{UNKNOWN_ID}")),
        405: ("/api/tasks", api.call("PUT", "/api/tasks")),
        406: ("/api/tasks", api.get("/api/tasks", headers={"Accept": "text/html"})),
        409: (f"/api/tasks/{finished}/stop", api.post(f"/api/tasks/{finished}/stop")),
        413: ("/api/tasks", api.call("POST", "/api/tasks", data=b" " * (LIMIT_BYTES + 1), **as_json)),
        414: ("/api/tasks", api.get("/api/tasks?name=" + "x" * MAX_URL_BYTES)),
        415: ("/api/tasks", api.call("POST", "/api/tasks", data=b"{}", content_type="text/plain")),
        422: ("/api/tasks", api.post("/api/tasks", {})),
        431: ("/api/tasks", api.get("/api/tasks", headers={"X-Long": "x" * MAX_HEADERS_BYTES})),
    }
    for status, (path, response) in seen.items():
        assert response.status_code == status
        check_problem(status, response.content_type, response.text, path)
    # The rest of the table: 500 and 503 below; 429 in test_rate_limit.py.
    assert set(PROBLEMS) - set(seen) == {429, 500, 503}


def test_every_call_of_the_document_needs_redis_or_is_known_not_to(web: Flask) -> None:
    found = [operation_of(web, method, path) for method, path, _ in EVERY_CALL]
    assert {one.path for one in OPERATIONS} - {one.path for one in found if one} == WITHOUT_REDIS
    assert [one for one in OPERATIONS if one not in found and one.path not in WITHOUT_REDIS] == []


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_without_redis_every_call_is_503_with_retry_after(away: Flask, method: str, path: str, body: Any) -> None:
    response = Api(away).call(method, path, json=body) if body is not None else Api(away).call(method, path)
    assert response.status_code == 503
    check_problem(503, response.content_type, response.text, path)
    assert int(response.headers["Retry-After"]) > 0


def test_our_own_failure_is_500_is_logged_and_tells_nothing(
    web: Flask, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("/secret/path")

    web.before_request_funcs.setdefault(None, []).append(broken)  # type: ignore[arg-type]
    response = api.get("/api/tasks")
    assert response.status_code == 500
    check_problem(500, response.content_type, response.text, "/api/tasks")
    assert "secret" not in response.text
    assert [record.message for record in caplog.records if record.exc_info] == ["unexpected error"]


# --- over a real server ----------------------------------------------------------------------------


class Server:
    """`start.py api` on a port of its own, on the test's Redis; its log in a file."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        env = {"REDIS_URL": redis_url, "VAR_DIR": str(folder / "var"), "PORT": str(self.port)}
        self._process = ModuleProcess(["start", "api"], folder / "log", ROOT, env)
        wait_until(self._lives, 20, "a server that serves")

    def _lives(self) -> bool:
        assert self._process.process.poll() is None, self.log
        try:
            return self.send(b"GET /health/live HTTP/1.1\r\n" + self.head(b""))[0] == 200
        except OSError:
            return False

    @property
    def log(self) -> str:
        return self._process.output

    def stop(self) -> None:
        self._process.signal(signal.SIGTERM)
        self._process.wait(15)

    def head(self, more: bytes) -> bytes:
        return b"Host: localhost:%d\r\nConnection: close\r\n" % self.port + more + b"\r\n"

    def post(self, more: bytes, body: bytes, content_type: bytes = b"application/json") -> tuple[int, str, str]:
        """Status, content type and text that a POST to /api/tasks is answered with."""
        head = self.head(b"Content-Type: " + content_type + b"\r\n" + more)
        return self.send(b"POST /api/tasks HTTP/1.1\r\n" + head + body)

    def send(self, request: bytes) -> tuple[int, str, str]:
        """Send bytes as they are, and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while data := connection.recv(65536):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        return int(lines[0].split()[1]), headers.get("content-type", ""), body.decode()


@pytest.fixture(scope="module")
def server(redis_program_path: Path) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="cel-") as folder, throw_away_redis(redis_program_path) as its_redis:
        server = Server(Path(folder), its_redis.url)
        yield server
        server.stop()
        assert "Traceback" not in server.log
        assert "ERROR" not in server.log


def chunked(body: bytes) -> bytes:
    """The body in chunks of 64 KiB."""
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def task_of(size: int) -> bytes:
    """A valid task whose JSON has so many bytes."""
    empty = json.dumps({**CODE, "args": [""]})
    filler = " " * (size - len(empty))
    return (empty + filler).encode()


def test_a_body_of_the_limit_is_taken(server: Server) -> None:
    body = task_of(LIMIT_BYTES)
    assert server.post(b"Content-Length: %d\r\n" % len(body), body)[0] == 201
    assert server.post(b"Transfer-Encoding: chunked\r\n", chunked(body))[0] == 201


@pytest.mark.parametrize("extra", [1, 2_000_000])
def test_a_body_over_the_limit_is_413_with_a_length_and_without(server: Server, extra: int) -> None:
    body = task_of(LIMIT_BYTES + extra)
    for more, sent in (
        (b"Content-Length: %d\r\n" % len(body), body),
        (b"Transfer-Encoding: chunked\r\n", chunked(body)),
    ):
        status, content_type, text = server.post(more, sent)
        assert status == 413
        check_problem(413, content_type, text, "/api/tasks")


@pytest.mark.parametrize(
    ("method", "path", "content_type", "size", "status"),
    [
        ("POST", "/api/tasks", "application/json", LIMIT_BYTES + 1, 413),
        ("POST", "/api/tasks", "application/json", 8 * LIMIT_BYTES, 413),
        ("POST", "/api/tasks/batch", "application/json", 16 * LIMIT_BYTES + 1, 413),
        ("POST", "/api/tasks", "text/plain", 8 * LIMIT_BYTES, 415),
        ("PUT", "/api/tasks", "application/json", 8 * LIMIT_BYTES, 405),
    ],
)
def test_a_client_that_sends_everything_before_it_reads_gets_the_refusal(
    server: Server, method: str, path: str, content_type: str, size: int, status: int
) -> None:
    for _ in range(3):  # without care, some of them come through
        connection = http.client.HTTPConnection("localhost", server.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, b" " * size, {"Content-Type": content_type})
            answer = connection.getresponse()
            assert answer.status == status
            check_problem(status, answer.getheader("Content-Type"), answer.read().decode(), path)


def test_a_client_that_asks_first_need_not_send_a_body_that_is_refused(server: Server) -> None:
    more = b"Content-Type: application/json\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /api/tasks HTTP/1.1\r\n" + server.head(more))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


class Sender(io.BytesIO):
    """A body that tells how much of it was read."""

    def __init__(self, size: int) -> None:
        super().__init__(b" " * size)
        self.size = size

    def refused(self, api: Api, path: str = "/api/tasks") -> tuple[int, int]:
        """The status with which it is refused, and how many bytes of it were read."""
        environ = {"wsgi.input": self, "CONTENT_LENGTH": str(self.size), "CONTENT_TYPE": "application/json"}
        response = api.call("POST", path, environ_overrides=environ)
        return response.status_code, self.tell()


def test_of_a_refused_body_no_more_is_read_than_helps(make_web: MakeWeb, api: Api) -> None:
    assert Sender(LIMIT_BYTES + 1).refused(api) == (413, LIMIT_BYTES + 1)
    assert Sender(LIMIT_BYTES).refused(api, "/api/nothing") == (404, LIMIT_BYTES)
    endless = Sender(LIMIT_BYTES)
    endless.size = MAX_DROPPED_BYTES + 1
    assert endless.refused(api) == (413, 0)
    guarded = Api(make_web(Settings(api_keys=(ApiKey("r", "read", READ_KEY),))))
    assert Sender(LIMIT_BYTES).refused(guarded) == (401, 0)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 101 + b"\r\n", 431),
    ],
)
def test_the_http_server_itself_refuses_what_is_not_http(server: Server, request_bytes: bytes, status: int) -> None:
    """docs/errors.md describes these: granian has no setting for their bodies."""
    assert server.send(request_bytes) == (status, "", "")


def test_our_limits_on_the_head_come_first(server: Server) -> None:
    url = b"/api/tasks?name=" + b"x" * 60_000
    status, content_type, text = server.send(b"GET " + url + b" HTTP/1.1\r\n" + server.head(b""))
    assert status == 414
    check_problem(414, content_type, text, "/api/tasks")
    status, content_type, text = server.send(b"GET / HTTP/1.1\r\n" + server.head(b"X: " + b"x" * 300_000 + b"\r\n"))
    assert status == 431
    check_problem(431, content_type, text, "/")


def test_a_chunk_that_is_none_is_400(server: Server) -> None:
    status, content_type, text = server.post(b"Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n")
    assert status == 400
    check_problem(400, content_type, text, "/api/tasks")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"[" * 200_000, 400),
        (b'{"name": "\xff"}', 400),
        (b"[]", 422),
        (json.dumps({**CODE, **CALL}).encode(), 422),
        (json.dumps({**CODE, "function_code": "def main(:"}).encode(), 422),
        (json.dumps({**CODE, "function_code": "(" * 5_000}).encode(), 422),
        (json.dumps({**CODE, "function_code": "\0"}).encode(), 422),
        (json.dumps({**CALL, "api_url": "http://[::1"}).encode(), 422),
        (json.dumps({**EVERY_MINUTE, "task_type": "scheduled", "cron_expression": "0 0 30 2 *"}).encode(), 422),
    ],
)
def test_bad_input_leaves_the_log_without_a_traceback(server: Server, body: bytes, status: int) -> None:
    found, content_type, text = server.post(b"Content-Length: %d\r\n" % len(body), body)
    assert found == status, text
    check_problem(status, content_type, text, "/api/tasks")
