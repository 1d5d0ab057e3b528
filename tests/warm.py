"""Processes that run a Python module in a fork of one that has imported its packages before.

A suite starts some 300 workers and beats and 50 whole systems, and each needs about a second of processor time to
import the same modules. Here a process of pytest imports them once, in tests/fork_server.py, and each of them is a fork
of that. It runs as it does by `python -m`: the fork has an environment, a folder, a session and descriptors of its own,
and imports the modules that read those itself. Some tests of tests/system/test_start.py start theirs as users do.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ANSWER_SECONDS = 60.0
MAX_ANSWER_BYTES = 1_000
POLL_SECONDS = 0.005


def is_possible() -> bool:
    """Whether modules can be run so: on Linux; and coverage measures a process from its start."""
    return sys.platform == "linux" and not any(name.startswith("COVERAGE_PROCESS_") for name in os.environ)


class WarmProcess:
    """A module that runs in a fork; what tests use of `subprocess.Popen`."""

    def __init__(
        self, words: Sequence[str], output: int, cwd: Path, env: Mapping[str, str], errors: int | None = None
    ) -> None:
        """Run a module, the first of `words`, in a session of its own.

        output, errors: the descriptors that it writes to; None: its errors go where its output goes.
        """
        self.args = list(words)
        self.returncode: int | None = None
        self._server = _server(_customized(env))
        self.pid = self._server.start(self.args, (output, output if errors is None else errors), cwd, env)

    def poll(self) -> int | None:
        """The exit status (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.status_of(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises TimeoutExpired after so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(
    words: Sequence[str], cwd: Path, env: Mapping[str, str], seconds: float, stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module until it ends, as `subprocess.run` does. Raises TimeoutExpired if it takes longer than `seconds`.

    stdout: where its output goes instead of into the result.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = WarmProcess(words, output.fileno() if stdout is None else stdout, cwd, env, errors.fileno())
        try:
            status = process.wait(seconds)
        finally:
            process.kill()  # if it has not ended
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(process.args, status, output.read(), errors.read())


class _ForkServer:
    """This process's end of tests/fork_server.py. Any thread may call."""

    def __init__(self, path: str) -> None:
        """path: its PYTHONPATH, if it needs one of its own."""
        self._lock = threading.Lock()
        self._last_id = 0
        self._started: dict[int, int] = {}  # id of the request -> pid
        self._ended: dict[int, int] = {}  # pid -> status
        self._connection, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | ({"PYTHONPATH": path} if path else {}),
                start_new_session=True,  # Ctrl-C is for pytest, whose end it follows
            )

    def close(self) -> None:
        """End it; what it has started lives on."""
        self._connection.close()
        self._process.wait(ANSWER_SECONDS)

    def start(self, words: Sequence[str], outputs: Sequence[int], cwd: Path, env: Mapping[str, str]) -> int:
        """Run a module that writes to these two descriptors; the pid."""
        with self._lock:
            self._last_id += 1
            request = {"id": self._last_id, "words": words, "cwd": str(cwd), "env": dict(env)}
            socket.send_fds(self._connection, [json.dumps(request).encode()], outputs)
            self._listen(lambda: self._last_id in self._started)
            return self._started.pop(self._last_id)

    def status_of(self, pid: int) -> int | None:
        """The exit status, once: then it is forgotten. None while the process runs."""
        with self._lock:
            self._listen(lambda: True)
            return self._ended.pop(pid, None)

    def _listen(self, is_enough: Callable[[], bool]) -> None:
        """Take in what has been said, and wait for more until it is enough."""
        while True:
            wait_seconds = 0.0 if is_enough() else ANSWER_SECONDS
            if not select.select([self._connection], [], [], wait_seconds)[0]:
                if wait_seconds:
                    raise TimeoutError(f"no answer of tests/fork_server.py within {ANSWER_SECONDS:g} s")
                return
            message = self._connection.recv(MAX_ANSWER_BYTES)
            if not message:
                raise RuntimeError(f"tests/fork_server.py has ended: {self._process.wait(ANSWER_SECONDS)}")
            said = json.loads(message)
            if "id" in said:
                self._started[said["id"]] = said["pid"]
                self._ended.pop(said["pid"], None)  # of an older process with this pid; nobody has asked for it
            else:
                self._ended[said["pid"]] = said["status"]


def _customized(env: Mapping[str, str]) -> str:
    """Of PYTHONPATH, the folder with the module that Python imports before all others, if there is one."""
    folders = env.get("PYTHONPATH", "").split(os.pathsep)
    return next((folder for folder in folders if Path(folder, "sitecustomize.py").is_file()), "")


@functools.cache
def _server(path: str) -> _ForkServer:
    """The fork server of this process with this path, from its first use to the end."""
    server = _ForkServer(path)
    atexit.register(server.close)
    return server
