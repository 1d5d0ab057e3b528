"""Real processes: `start.py` as a user starts it, in a folder and on a port of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from app.launch.redis_location import LOCALHOST, Answer, ping
from tests import warm
from tests.lateness import Lateness
from tests.warm import WarmProcess

ROOT = Path(__file__).resolve().parent.parent.parent
MARKER = "CELERIAC_TEST_MARKER"
FIRST_PORT, FEWEST_PORTS = 10_000, 5_000
#: How long Redis may stand still on a busy machine, seen from a caller whose calls are answered by 503 meanwhile.
STANDSTILL_SECONDS = 20.0
RUN_SECONDS = 120.0
OURS = ("REDIS_URL", "VAR_DIR", "HOST", "PORT", "API_KEYS", "LOG_LEVEL", "LOG_FORMAT", "CELERIAC_PARENT_PID")

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes in /proc")


def needs_no_local_redis() -> None:
    """Skip where localhost:6379 answers: start.py would use that one. In CI it must not."""
    if ping(LOCALHOST) is not Answer.NONE:
        if os.environ.get("CI"):
            pytest.fail("a Redis answers at localhost:6379: the embedded one can't be tested")
        pytest.skip("a Redis answers at localhost:6379")


def free_port() -> int:
    """A port that nobody uses, below those that the kernel gives to whoever asks for any.

    A server may come to its port many seconds later, and meanwhile other tests ask the kernel for theirs.
    """
    chance = random.SystemRandom()  # not the common one, to which hypothesis gives the same seed in each process
    while True:
        port = chance.randrange(FIRST_PORT, ports_of_kernel().start)
        with socket.socket() as probe, contextlib.suppress(OSError):  # in use
            probe.bind(("127.0.0.1", port))
            return port


def ports_of_kernel() -> range:
    """The ports from which the kernel chooses; the usual ones where that is not Linux, or leaves nearly none."""
    with contextlib.suppress(OSError):
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        if first >= FIRST_PORT + FEWEST_PORTS:
            return range(first, last + 1)
    return range(49_152, 65_536)


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition; fail saying `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


def run(
    *words: str, is_warm: bool = True, stdout: int | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """A `start.py` that is expected to end by itself. is_warm: as of `Started`; stdout: as of `run_module`."""
    if is_warm and warm.is_possible():
        return run_module("start", *words, stdout=stdout, **settings)
    return _run_cold(str(ROOT / "start.py"), *words, stdout=stdout, **settings)


def run_module(
    module: str, *words: str, stdout: int | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """A module of ours that is expected to end by itself, warm where that is possible.

    stdout: the descriptor of a file to which its output goes, instead of into the result.
    """
    if warm.is_possible():
        return warm.run([module, *words], Path.cwd(), {**os.environ, **settings}, RUN_SECONDS, stdout)
    return _run_cold("-m", module, *words, stdout=stdout, **{"PYTHONPATH": str(ROOT), **settings})


def _run_cold(*words: str, stdout: int | None, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


class Started:
    """A running `start.py`, its output line by line, and every process that came of it."""

    def __init__(
        self,
        var_dir: Path | None,
        *words: str,
        root: Path = ROOT,
        program: Sequence[str] = (),
        port: int | None = None,
        within: Sequence[str] = (),
        is_warm: bool = True,
        **settings: str,
    ) -> None:
        """var_dir: None for the default. program: another command than `python start.py`, in the folder `root`.

        Its API has one process, however many cores there are: a test that needs more says so in `settings`.
        within: the words of a command, such as nohup, that runs the one behind it in its own place.
        is_warm: start.py does not import its packages anew (tests/warm.py), where that is possible.
        """
        self.marker = uuid.uuid4().hex
        self.port = port or free_port()
        env = {key: value for key, value in os.environ.items() if key not in OURS}
        env |= {"PORT": str(self.port), MARKER: self.marker, "API_PROCESSES": "1", **settings}
        env |= {"VAR_DIR": str(var_dir)} if var_dir else {}
        self.began = time.monotonic()
        is_own = program or within or root != ROOT or "PYTHONPATH" in settings
        command = [*within, *(program or (sys.executable, str(root / "start.py"))), *words]
        self._read_end, write_end = os.pipe()
        with os.fdopen(write_end, "wb") as output:
            self.process = (
                WarmProcess(["start", *words], output.fileno(), ROOT, env)
                if is_warm and not is_own and warm.is_possible()
                else _cold_process(command, output, env)
            )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._known: set[tuple[int, str]] = set()

    def _read(self) -> None:
        with os.fdopen(self._read_end) as output:
            for line in output:
                self.lines.append((time.monotonic() - self.began, line.rstrip("\n")))

    @property
    def output(self) -> str:
        """What it and its children have printed so far."""
        return "\n".join(line for _, line in self.lines)

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """The first match of `pattern` in the output, waited for."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.output)
            if match:
                return match
            if time.monotonic() > deadline or (self.process.poll() is not None and not self._reader.is_alive()):
                pytest.fail(f"{pattern!r} was not said; status {self.process.poll()}; the output:\n{self.output}")
            time.sleep(0.02)

    def wait_until_ready(self, path: str = "/health/ready", seconds: float = 60) -> None:
        """Wait until the API answers 200 at `path`."""
        wait_until(lambda: self._answers(path), seconds, f"200 from {path}; the output:\n{self.output}")

    def _answers(self, path: str) -> bool:
        try:
            return self.call("GET", path)[0] == 200
        except OSError:  # not up yet
            return False

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a call of the API. Raises OSError where it is not up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except http.client.HTTPException as error:
            raise OSError("no answer") from error
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON that a GET answers with 200. Asks again while Redis stands still."""
        status, body = self._call_until_available("GET", path)
        assert status == 200, body
        return body

    def post(self, path: str, body: object) -> Any:
        """The JSON that a POST of something new answers with 201. Asks again while Redis stands still."""
        status, answer = self._call_until_available("POST", path, body, **{"Idempotency-Key": uuid.uuid4().hex})
        assert status == 201, answer
        return answer

    def _call_until_available(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        deadline = time.monotonic() + STANDSTILL_SECONDS
        while True:
            status, answer = self.call(method, path, body, **headers)
            if status != 503 or time.monotonic() > deadline:
                return status, answer
            time.sleep(0.1)

    def pid_of(self, name: str) -> int:
        """The pid of a child, as it was said."""
        return int(self.wait_for(rf"started {name} \(pid (\d+)\)")[1])

    def remember_processes(self) -> None:
        """Note what runs now, so that `left_behind` finds it even if it has no environment (the sandbox)."""
        self._known |= descendants(self.process.pid)

    def left_behind(self) -> list[str]:
        """Command lines of what still runs of all that it started."""
        pids = {pid for pid, started in self._known if start_time(pid) == started}
        pids |= _marked(self.marker)
        return [command_line(pid) for pid in sorted(pids - {os.getpid()}) if start_time(pid)]

    def end(self, number: signal.Signals, seconds: float = 10) -> int:
        """Send a signal to start.py alone; its exit status. Fails if anything is left after the time.

        What it waits for a processor does not count.
        """
        self.remember_processes()
        with Lateness() as late:
            self.process.send_signal(number)
            while self.process.poll() is None and late.taken_seconds < seconds:
                time.sleep(0.02)
        status = self.process.poll()
        if status is None:
            pytest.fail(f"still running {seconds:g} s after {number.name}; the output:\n{self.output}")
        wait_until(lambda: not self.left_behind(), seconds, f"the end of {self.left_behind()}")
        self._reader.join(5)
        return status

    def clean_up(self) -> None:
        """Kill whatever is left, also after a failed test."""
        self.remember_processes()
        for pid in {pid for pid, started in self._known if start_time(pid) == started} | _marked(self.marker):
            if pid != os.getpid():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self.process.wait(10)
        self._reader.join(10)


def _cold_process(command: Sequence[str], output: IO[bytes], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, …; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> str:
    """When a process started, in ticks since boot: with the pid, a name that is never used twice."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def descendants(root: int) -> set[tuple[int, str]]:
    """(pid, when it started) of a process and of all that came of it."""
    parents = {pid: int(fields[1]) for pid in _pids() if (fields := _stat(pid))}
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return {(pid, started) for pid in found if (started := start_time(pid))}
        found |= more


def _marked(marker: str) -> set[int]:
    wanted = f"{MARKER}={marker}".encode()
    found = set()
    for pid in _pids():
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in environ:
            found.add(pid)
    return found


def command_line(pid: int) -> str:
    """Its pid, and its words as far as they can be read."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"{pid}"
    return f"{pid}: {b' '.join(words).decode('utf-8', 'replace')}"
