"""What a dump contains: tasks of each kind, type and status, and what must become of them.

Used by `make_dump.py`, with the code of any version, and by the tests, with the present code.
"""

from __future__ import annotations

import errno
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

#: The address is in the dumps. A port below those that systems hand out.
TARGET_PORT = 18713
PORT_SECONDS = 120.0
TARGET = f"http://127.0.0.1:{TARGET_PORT}"
SETTINGS = {"HTTP_ALLOWED_NETWORKS": "127.0.0.0/8", "RESULT_TTL": "315000000", "API_PROCESSES": "1"}
#: How long after a dump was made its programs still wait or fail: the tests run later.
WHILE_MADE_SECONDS = 45
BATCH_TASKS = 103
#: What the target refuses until the dump is made.
FAILING = {"/busy", "/told", "/noticed"}
LONG_PROGRAM = (
    "import json\n\ndef long(text):\n    words = text.split()\n    print(len(words))\n    return {'words': words}\n"
)
WAIT = "import time\ndef f(until):\n    time.sleep(max(0, until - time.time()))\n    return 1"
FAIL = "import time\ndef f(until):\n    assert time.time() > until, 'too early'\n    return 1"


@dataclass(frozen=True, slots=True)
class Case:
    """A task: the fields that create it, its status in the dump, and that at the end."""

    body: dict[str, Any]
    status: str
    end: str


def _code(source: str, status: str, end: str | None = None, function: str = "f", **more: Any) -> Case:
    return Case({"function_code": source, "function_name": function, **more}, status, end or status)


def _api(path: str, status: str, end: str | None = None, **more: Any) -> Case:
    return Case({"api_url": TARGET + path, **more}, status, end or status)


def finished() -> dict[str, Case]:
    """Tasks that have finished before the dump, by name."""
    short, delayed = "def f():\n    return 7", {"task_type": "delayed", "delay_seconds": 0.2}
    return {
        "code ok": _code(short, "succeeded", tags=["a", "b"], priority=2),
        "Code LONG": _code(
            LONG_PROGRAM, "succeeded", function="long", args=["one two three " * 30], tags=["a"], timeout=9
        ),
        "code delayed": _code(short, "succeeded", **delayed),
        "code none": _code("def f():\n    pass", "succeeded"),
        "code fails": _code("def f():\n    print('out')\n    raise ValueError('no 17')", "failed"),
        "code retried": _code("def f():\n    1 / 0", "failed", max_retries=2, retry_delay=0.05),
        "api ok": _api("/ok", "succeeded", params={"q": "1"}, headers={"X-One": "1"}),
        "api delayed": _api("/ok", "succeeded", method="POST", data={"text": "x" * 200}, **delayed),
        "api fails": _api("/fail", "failed", max_retries=0),
        "stopped waiting": _api("/never", "stopped", task_type="delayed", delay_seconds=9_999),
        "stopped running": _code("import time\ndef f():\n    time.sleep(60)", "stopped"),
    }


def running(until: float) -> dict[str, Case]:
    """Tasks whose workers die. `until`: seconds since 1970 when the dump has been made for certain."""
    return {
        "running code": _code(WAIT, "running", "succeeded", args=[until]),
        "running api": _api("/slow", "running", "succeeded"),
        "running to fail": _code(WAIT, "running", "failed", args=[until], on_worker_lost="fail"),
        "stop requested": _code(WAIT, "running", "stopped", args=[until]),
    }


def retried(until: float) -> dict[str, Case]:
    """Tasks that have failed once and wait for their retry."""
    again = {"max_retries": 2, "retry_delay": 40, "retry_max_delay": 40}
    return {
        "retry code": _code(FAIL, "waiting", "succeeded", args=[until], **again),
        "retry api": _api("/busy", "waiting", "succeeded", **again),
    }


def waiting() -> dict[str, Case]:
    """Tasks that are created when no worker is left."""
    short, delayed = "def f():\n    return 7", {"task_type": "delayed"}
    return {
        "queued code": _code(short, "queued", "succeeded"),
        "queued LONG": _code(LONG_PROGRAM, "queued", "succeeded", function="long", args=["a b"], tags=["a"]),
        "queued first": _code(short, "queued", "succeeded", priority=9),
        "queued last": _api("/ok", "queued", "succeeded", priority=0),
        "queued api": _api("/ok", "queued", "succeeded", method="PUT", data="text"),
        "expiring": _code(short, "queued", "failed", expires_in=1),
        "near code": _code(short, "waiting", "succeeded", delay_seconds=3, **delayed),
        "near api": _api("/ok", "waiting", "succeeded", delay_seconds=3, **delayed),
        "soon": _api("/ok", "waiting", "succeeded", delay_seconds=20, **delayed),
        "far": _code(short, "waiting", "waiting", delay_seconds=300_000_000, **delayed),
    }


#: Where notices go, from form 2 on.
CHANNEL = {"kind": "webhook", "url": f"{TARGET}/noticed"}


def told() -> dict[str, Case]:
    """Finished tasks of which nobody could be told before the dump, from form 2 on."""
    callback = {"callback_url": f"{TARGET}/told"}
    return {
        "told of success": _code("def f():\n    return 7", "succeeded", **callback),
        "told of failure": _code("def f():\n    return 1 / 0", "failed", alert={"channels": ["ops"]}),
    }


def schedules() -> dict[str, dict[str, Any]]:
    """Scheduled tasks by name. `paused` gets paused; the first three fire before the dump."""
    code = {"function_code": LONG_PROGRAM, "function_name": "long", "args": ["one two"]}
    api = {"api_url": f"{TARGET}/ok", "max_retries": 1}
    return {
        "paused": {**api, "every_seconds": 1, "tags": ["a"]},
        "all six": {**code, "every_seconds": 1, "catch_up": "all", "max_runs": 6},
        "ended": {**api, "every_seconds": 1, "max_runs": 1},
        "latest": {**api, "cron_expression": "*/5 * * * *", "overlap": "skip"},
        "yearly": {**code, "cron_expression": "@yearly", "catch_up": "none", "timezone": "Europe/Berlin"},
    }


class Target:
    """Serves TARGET and counts calls by task. `is_made`: whether the dump is made, so that everything succeeds."""

    def __init__(self, *, is_made: bool) -> None:
        self.calls = Counter[str]()
        self.paths = Counter[str]()
        self.is_slow = threading.Event()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                target.paths[self.path] += 1
                target.calls[self.headers.get("Idempotency-Key", "").partition(":")[0]] += 1
                if self.path == "/slow" and not is_made:
                    target.is_slow.set()
                    self.rfile.read()  # until the caller is gone
                    return
                status = 500 if self.path == "/fail" else 503 if self.path in FAILING and not is_made else 200
                body = json.dumps({"path": self.path}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names of http.server

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = _server(Handler)
        self._server.daemon_threads = True

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve for the duration of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(5)


def _server(handler: type[http.server.BaseHTTPRequestHandler]) -> http.server.ThreadingHTTPServer:
    """A server on the port that the dumps name, once the tests of another checkout have left it."""
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", TARGET_PORT), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Api:
    """Calls of the API at `url`. `key`: an API key."""

    def __init__(self, url: str, key: str = "") -> None:
        self._url = url
        self._key = key

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of a response. Raises OSError with the problem if it is one."""
        headers = {"Content-Type": "application/json", **{name.replace("_", "-"): at for name, at in headers.items()}}
        headers |= {"X-API-Key": self._key} if self._key else {}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise OSError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None

    def all(self, path: str) -> list[Any]:
        """All items of a list."""
        items, cursor = [], ""
        while True:
            joint = "&" if "?" in path else "?"
            page = self("GET", f"{path}{joint}limit=100{cursor}")
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"
