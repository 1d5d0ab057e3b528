"""Several API processes at one port: each is replaced alone, and what they limit together is counted once."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

import pytest
import redis

from tests.system import Started, needs_proc, wait_until

pytestmark = needs_proc

CODE = {"name": "n", "function_code": "def f():\n    return 1", "function_name": "f"}
STREAMS = 16
QUOTA = 10


@pytest.fixture
def started(tmp_path: Path, redis_url: str, raw_redis: redis.Redis) -> Iterator[Started]:
    """Two API processes that serve."""
    settings = {"API_PROCESSES": "2", "RATE_LIMIT": f"write:{QUOTA}/3600", "SHUTDOWN_GRACE": "1"}
    started = Started(tmp_path, "api", REDIS_URL=redis_url, **settings)
    started.wait_until_ready("/health/live")
    for pid in pids(started):
        wait_until(lambda pid=pid: listens(pid, started.port), 20, "both processes")
    yield started
    started.clean_up()


def pids(started: Started) -> list[int]:
    """The processes that serve."""
    return [int(started.wait_for(rf"Spawning worker-{number} with PID: (\d+)")[1]) for number in (1, 2)]


def listens(pid: int, port: int) -> bool:
    """Whether a process has a listening socket at this port."""
    listening = {
        fields[9]
        for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].partition(":")[2], 16) == port
    }
    return any(f"socket:[{inode}]" in links(pid) for inode in listening)


def links(pid: int) -> set[str]:
    """What the open files of a process are."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.add(str(entry.readlink()))
    return found


def test_a_killed_process_is_replaced_and_the_other_goes_on(started: Started) -> None:
    with ExitStack() as open_ones:
        streams = []
        for _ in range(STREAMS):
            connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=10)
            open_ones.callback(connection.close)
            connection.request("GET", "/api/events", headers={"Accept": "text/event-stream"})
            stream = open_ones.enter_context(connection.getresponse())
            assert stream.readline().startswith(b"retry")
            streams.append(stream)
        for _ in range(QUOTA - 3):
            started.post("/api/tasks", CODE)  # each on a new connection
        killed, other = pids(started)
        os.kill(killed, signal.SIGKILL)
        started.wait_for("Respawning worker-1")
        for _ in range(3):  # while it is being replaced
            started.post("/api/tasks", CODE)
        heard = [hears_all(stream) for stream in streams]
        assert 0 < heard.count(True) < STREAMS, "the streams of the killed process have ended, the others have not"
        os.kill(other, 0)
        pid = int(started.wait_for(rf"Spawning worker-1 with PID: (?!{killed}\b)(\d+)")[1])
        wait_until(lambda: listens(pid, started.port), 20, "the replacement")
    statuses = {started.call("POST", "/api/tasks", CODE)[0] for _ in range(8)}
    assert statuses == {429}, "both processes count the calls of both"
    assert started.end(signal.SIGINT) == 0


def hears_all(stream: http.client.HTTPResponse) -> bool:
    """Whether a stream goes on until the last of the changes."""
    try:
        events = (line for line in stream if line.startswith(b"event: status"))
        return len(list(islice(events, QUOTA))) == QUOTA
    except (OSError, http.client.HTTPException):
        return False
