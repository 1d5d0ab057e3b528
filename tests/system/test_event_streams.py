"""Responses that last, over the real server: they arrive at once, leave threads for others, are cut, and end on
shutdown."""

from __future__ import annotations

import errno
import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.launch.serving import close_unread_connections
from tests.system import Started, needs_proc, wait_until

THREADS = 8
PROMPT_SECONDS = 15.0  # the stream itself may last for 15 minutes
Open = Callable[[str], http.client.HTTPResponse]
PRINTS = "import time\ndef main():\n    while True:\n        print('more')\n        time.sleep(0.2)\n"


@pytest.fixture
def started(tmp_path: Path, redis_url: str) -> Iterator[Started]:
    """The whole service, whose API has one process with few threads."""
    started = Started(
        tmp_path,
        REDIS_URL=redis_url,
        API_THREADS=str(THREADS),
        MAX_EVENT_STREAMS="3",
        SHUTDOWN_GRACE="1",
    )
    started.wait_until_ready()
    yield started
    started.clean_up()


@pytest.fixture
def opened(started: Started) -> Iterator[Open]:
    """Opens a stream; all are closed after the test."""
    with ExitStack() as connections:

        def opened(path: str) -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=20)
            connections.callback(connection.close)
            connection.request("GET", path, headers={"Accept": "text/event-stream"})
            return connections.enter_context(connection.getresponse())

        yield opened


def names_in(stream: http.client.HTTPResponse) -> Iterator[str]:
    """The name of each event, as it arrives."""
    for line in stream:
        if line.startswith(b"event: "):
            yield line.removeprefix(b"event: ").decode().strip()


@needs_proc
def test_events_arrive_as_they_happen_and_streams_end_on_shutdown(started: Started, opened: Open) -> None:
    of_all = names_in(opened("/api/events"))
    body = {"name": "n", "function_code": PRINTS, "function_name": "main", "timeout": 120}
    task = started.post("/api/tasks", body)
    names = names_in(opened(f"/api/tasks/{task['id']}/events"))
    assert [next(names) for _ in range(4)] == ["status", "status", "stdout", "stdout"]
    assert started.get(f"/api/tasks/{task['id']}")["status"] == "running", "what it prints arrives while it runs"
    assert started.call("POST", f"/api/tasks/{task['id']}/stop")[0] == 200
    *more, last = names
    assert (set(more) <= {"stdout"}, last) == (True, "status")
    assert [next(of_all) for _ in range(3)] == ["status"] * 3

    others = [opened("/api/events") for _ in range(2)]
    assert [each.status for each in others] == [200, 200]
    full = opened("/api/events")
    assert (full.status, int(full.headers["Retry-After"]) > 0) == (503, True)
    assert started.call("GET", "/api/tasks")[0] == 200, "others find a thread"

    began = time.monotonic()
    ending = threading.Thread(target=started.end, args=(signal.SIGTERM,))
    ending.start()
    assert list(of_all) == [], "the stream ended as a whole response"
    assert time.monotonic() - began < PROMPT_SECONDS
    ending.join()


@needs_proc
def test_a_response_that_is_held_is_sent_on_shutdown(started: Started) -> None:
    body = {"name": "later", "api_url": "http://localhost:1/", "task_type": "delayed", "delay_seconds": 600}
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(started.call, "POST", "/api/tasks", body, Prefer="wait=60")
        wait_until(lambda: started.get("/api/tasks")["items"], 15, "the task")
        assert not held.done()
        started.end(signal.SIGTERM)
        status, task = held.result(15)
    assert (status, task["status"]) == (201, "waiting"), "its caller knows that it was created"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel has no such option")
def test_a_connection_whose_peer_reads_nothing_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        close_unread_connections(listener.getsockname()[1], seconds=1)
        wait_until(lambda: listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 15, "the option")
        with socket.create_connection(listener.getsockname()) as reader:
            connection, _ = listener.accept()
            connection.settimeout(20)
            with connection, pytest.raises(OSError, match="timed out") as failure:
                send_for_ever(connection)
            assert failure.value.errno == errno.ETIMEDOUT, "the kernel's timeout, not that of this test"
            assert reader.fileno() >= 0, "the reader is still there"


def send_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65_536)
