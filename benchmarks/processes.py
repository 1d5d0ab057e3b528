"""Processes that a measurement starts and ends with its block, and what they use."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

from app.launch.embedded_redis import EmbeddedServer, find_program
from app.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent
LOAD_SECONDS = 300  # a million records take some seconds, and a minute on a busy machine
START_SECONDS = 60
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(words: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process in the repository's folder, killed with the block, and all below it."""
    with program([sys.executable, *words], env, log) as process:
        yield process


@contextlib.contextmanager
def program(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Any process in the repository's folder, killed with the block, and all below it."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        yield process
    finally:
        send(signal.SIGKILL, descendants(process.pid))  # nothing that they do is of use any more
        process.wait()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with a short path, as sockets need one; removed with the block."""
    with tempfile.TemporaryDirectory(prefix="cel-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a server of its own: the same program and options as the embedded one, on a unix socket."""
    embedded = EmbeddedServer(read_settings({}, var_dir=folder), functools.partial(print, flush=True))
    embedded.start()
    try:
        yield embedded.url
    finally:
        embedded.stop()


@contextlib.contextmanager
def memory_server(folder: Path, snapshot: Path | None = None) -> Iterator[str]:
    """The URL of a server that writes nothing by itself and begins with the data of a snapshot (an RDB file)."""
    folder.mkdir(parents=True, exist_ok=True)
    if snapshot is not None:
        shutil.copyfile(snapshot, folder / "dump.rdb")
    path = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(path), "dir": str(folder), "save": "", "appendonly": "no"}
    options |= {"logfile": str(folder / "redis.log"), "hash-max-listpack-value": "1024"}
    command = [str(find_program()[0]), *(word for key, value in options.items() for word in (f"--{key}", value))]
    with program(command, {}, folder / "output.log"):
        url = f"unix://{path}?db=0"
        _wait_for_server(url, folder / "redis.log")
        yield url


def _wait_for_server(url: str, log: Path) -> None:
    deadline = time.monotonic() + LOAD_SECONDS
    while True:
        try:
            with redis.Redis.from_url(url) as client:
                client.ping()
                return
        except redis.ConnectionError as error:  # not up, or loading
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server is not ready after {LOAD_SECONDS} s: {log.read_text()}") from error
        time.sleep(0.05)


def wait_for_http(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a port of loopback answers with any status."""
    deadline = time.monotonic() + START_SECONDS
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while True:
        try:
            connection.request("GET", path)
            connection.getresponse().read()
            connection.close()
            return
        except OSError:  # not up yet
            connection.close()
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"port {port} does not answer; the log ends with\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


def broker_url(redis_url: str) -> str:
    """The URL without its database, which kombu and others take from no socket's URL; 0 is the default."""
    return redis_url.partition("?")[0]


def server_pid(redis_url: str) -> int:
    """The process of a server."""
    with redis.Redis.from_url(redis_url) as client:
        info: Any = client.info("server")
        return int(info["process_id"])


def used_bytes(redis_url: str) -> int:
    """What a server has allocated for its data and itself."""
    with redis.Redis.from_url(redis_url) as client:
        info: Any = client.info("memory")
        return int(info["used_memory"])


def free_port() -> int:
    """A port of loopback that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- what they use -----------------------------------------------------------------------------------


def descendants(pid: int) -> list[int]:
    """A process and all below it, parents first; whichever thread has made them."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):  # it has ended
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(word) for word in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all below it, with that of children which have ended and were waited for."""
    return sum(own_cpu_seconds(each) + _ended_children_seconds(each) for each in descendants(pid))


def own_cpu_seconds(pid: int) -> float:
    """Processor time of one process, to the nanosecond.

    By the clock that clock_getcpuclockid names; /proc counts in hundredths of a second.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:  # it has just ended, and its parent counts it from now on
        return 0.0


def _ended_children_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / TICKS_PER_SECOND


def resident_mb(pid: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def pss_mb(pid: int) -> float:
    """Memory of one process, pages that it shares being divided among those that share them. Raises OSError."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def parent_of(pid: int) -> int:
    """The parent of a process; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def send(number: signal.Signals, pids: Sequence[int]) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def held(pids: Sequence[int]) -> Iterator[None]:
    """Some processes and all below them stand still during the block."""
    below = [each for pid in pids for each in descendants(pid)]
    send(signal.SIGSTOP, below)
    try:
        yield
    finally:
        send(signal.SIGCONT, below[::-1])
