"""How requests are sent and counted, and how the rate of a drain is taken."""

from __future__ import annotations

import http.server
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import draining, http_load
from benchmarks.http_load import LoadError, requests_per_second
from benchmarks.processes import memory_server
from tests.lateness import Lateness
from tests.servers import HttpTarget

CLIENTS = [None, *([http_load.WRK] if http_load.WRK else [])]
LOOKS_FOR_WORK_AFTER_SECONDS = 0.3


class Handler(http.server.BaseHTTPRequestHandler):
    """Counts what it gets, and answers with the status that the path names."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Server(HttpTarget):
    """Clients leave when their time is over, whatever is on its way: that is no error."""

    def handle_error(self, request: object, client_address: object) -> None:
        assert isinstance(sys.exception(), ConnectionError)


@pytest.fixture
def server() -> Iterator[HttpTarget]:
    Handler.bodies = []
    with Server(Handler).serving() as target:
        yield target


@pytest.mark.parametrize("wrk", CLIENTS)
def test_requests_are_counted_as_the_server_counts_them(
    wrk: str | None, server: HttpTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_load, "WRK", wrk)
    port = server.server_address[1]
    with Lateness() as late:
        rate = requests_per_second(port, "/201", '{"a": "\\"b\\""}', 4, 1.0, tmp_path)
    assert set(Handler.bodies) == {b'{"a": "\\"b\\""}'}
    # The last answers may come so much later than after a second.
    assert 0.5 * len(Handler.bodies) < rate * (1 + late.seconds)
    assert rate <= len(Handler.bodies)


@pytest.mark.parametrize("wrk", CLIENTS)
def test_an_answer_with_another_status_is_an_error(
    wrk: str | None, server: HttpTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_load, "WRK", wrk)
    with pytest.raises(LoadError):
        requests_per_second(server.server_address[1], "/503", "{}", 4, 1.0, tmp_path)


class Clock:
    """A clock, as the module `time` is one, that moves only by sleeping."""

    def __init__(self) -> None:
        self._now = 0.0

    def perf_counter(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class LateQueue:
    """A queue whose worker looks for work only after a while, and then is fast."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add(self, count: int) -> None:
        self._count, self._began, self._looks = count, self._clock.perf_counter(), 0

    def left(self) -> int:
        if self._clock.perf_counter() - self._began < LOOKS_FOR_WORK_AFTER_SECONDS:
            return self._count
        self._looks += 1
        return self._count // 2 if self._looks == 1 else 0


def test_the_rate_of_a_drain_begins_with_the_first_task_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(draining, "time", clock)
    with memory_server(tmp_path) as url:
        found = draining.drain_round([], url, LateQueue(clock), 100)
    assert found[draining.RATE] == pytest.approx(50 / draining.POLL_SECONDS)
