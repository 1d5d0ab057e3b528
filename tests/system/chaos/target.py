"""What API tasks call: it does as its path says, and writes down who called, when, and until when.

/ok?ms=N        200, after N ms
/busy?times=N   503 to the first N calls of a task, then 200
/broken?times=N the connection is reset at the first N calls of a task, then 200
/refused        400, always

Callbacks come to /told: 200 after `ms`. `times` is how many callbacks of the task are refused first.
"""

from __future__ import annotations

import contextlib
import json
import select
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.http.target import Received, Target, Wire, http

NOTICE_PATH = "/noticed"
CALLBACK_PATH = "/told"
CALLBACK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(slots=True)
class Call:
    """One request. Times are ms since 1970; `ended_ms` is None while it lasts."""

    task_id: str
    attempt: int
    path: str
    began_ms: float
    ended_ms: float | None = None
    answer: str = ""  # status, "reset", or "hung up": by the caller


@dataclass(slots=True)
class Told:
    """One callback. `answer` as for a call, "" while it lasts."""

    task_id: str
    event_id: str
    type: str
    is_signed: bool
    answer: str = ""


class CountingTarget:
    """A context manager; `calls` and `told` are all that it has seen, in order."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.calls: list[Call] = []
        self.told: list[Told] = []
        self._lock = threading.Lock()
        self.noticed: list[str] = []
        self._seen = Counter[str]()
        self._target = Target(self._serve, host=address)

    @property
    def url(self) -> str:
        return self._target.url

    def __enter__(self) -> CountingTarget:
        self._target.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._target.__exit__()

    def _serve(self, wire: Wire) -> None:
        while (received := wire.request()) is not None:
            wire.received.clear()  # hours of requests are not kept
            if received.path == NOTICE_PATH:
                self.noticed.append(received.headers["webhook-id"])
                wire.send(http(b""))
                continue
            if received.path.startswith(CALLBACK_PATH):
                if self._hear(wire, received):
                    continue
                return
            call, nth = self._note(received)
            try:
                call.answer = self._answer(wire, call, nth)
            except OSError:
                call.answer = "hung up"
            finally:
                call.ended_ms = time.time() * 1000
            if not call.answer.isdigit():
                return

    def _hear(self, wire: Wire, received: Received) -> bool:
        """Answer a callback, and write it down. Returns whether the connection may carry another."""
        event = json.loads(received.body)
        told = Told(event["data"]["id"], received.headers["webhook-id"], event["type"], _is_signed(received))
        with self._lock:
            self.told.append(told)
            self._seen[told.event_id] += 1
            nth = self._seen[told.event_id]
        query = {name: int(value) for name, value in parse_qsl(urlsplit(received.path).query)}
        if _hangs_up(wire, query.get("ms", 0)):
            told.answer = "hung up"
            return False
        is_refused = nth <= query.get("times", 0)
        try:
            wire.send(http(status="500 Not Now" if is_refused else "200 OK"))
        except OSError:
            told.answer = "hung up"
            return False
        told.answer = "500" if is_refused else "200"
        return True

    def _note(self, received: Received) -> tuple[Call, int]:
        headers = received.headers
        task_id = headers["celeriac-task-id"]
        call = Call(task_id, int(headers["celeriac-attempt"]), received.path, time.time() * 1000)
        with self._lock:
            self.calls.append(call)
            self._seen[task_id] += 1
            return call, self._seen[task_id]

    def _answer(self, wire: Wire, call: Call, nth: int) -> str:
        parts = urlsplit(call.path)
        query = {name: int(value) for name, value in parse_qsl(parts.query)}
        if parts.path == "/broken" and nth <= query["times"]:
            wire.reset()
            return "reset"
        if "ms" in query and _hangs_up(wire, query["ms"]):
            return "hung up"
        status = "200 OK"
        if parts.path == "/busy" and nth <= query["times"]:
            status = "503 Service Unavailable"
        elif parts.path == "/refused":
            status = "400 Bad Request"
        wire.send(http(b"{}", "Content-Type: application/json", status=status))
        return status[:3]


def _is_signed(received: Received) -> bool:
    try:
        Webhook(CALLBACK_SECRET).verify(received.body, received.headers)
    except WebhookVerificationError:
        return False
    return True


def _hangs_up(wire: Wire, ms: int) -> bool:
    """Wait; whether the caller hangs up meanwhile."""
    poller = select.poll()
    poller.register(wire.sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    deadline = time.monotonic() + ms / 1000
    while (left_seconds := deadline - time.monotonic()) > 0 and not wire.over.is_set():
        if poller.poll(min(left_seconds, 0.1) * 1000):
            with contextlib.suppress(OSError):
                wire.sock.close()
            return True
    return wire.over.is_set()
