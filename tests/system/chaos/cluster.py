"""The processes: started, harmed and started again, each life with a log of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from app.launch.processes import PARENT_PID, module_command, program_command
from tests.servers import ROOT, LoggedProcess
from tests.system import command_line, descendants, free_port
from tests.system.chaos.plan import API, BEATS, GRACE_SECONDS, HORIZON_SECONDS, LEASE_SECONDS, REDIS, WORKERS
from tests.system.chaos.proxy import Proxy, ProxyLoop
from tests.system.chaos.target import CALLBACK_SECRET

SETTINGS = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "SHUTDOWN_GRACE": str(GRACE_SECONDS),
    "COUNTDOWN_HORIZON": str(HORIZON_SECONDS),
    "CODE_CONCURRENCY": "4",
    "API_CONCURRENCY": "12",
    "API_THREADS": "32",
    "LOG_FORMAT": "json",
    "CALLBACK_SECRETS": CALLBACK_SECRET,
    "CALLBACK_TIMEOUT": "2",
}
#: How long a Redis may take from its start to its first answer.
BIRTH_MS = 2_000.0
CELERY = ("celery", "-q", "-A", "celery_app")


def now_ms() -> float:
    """Now, in ms since 1970, as the logs say it."""
    return time.time() * 1000


@dataclass(slots=True)
class Life:
    """One process from its start to its end.

    frozen, cut_off: from when to when it stood still, or could not reach Redis, in ms.
    """

    log: Path
    process: LoggedProcess = field(repr=False)
    began_ms: float
    ended_ms: float | None = None
    frozen: list[tuple[float, float]] = field(default_factory=list)
    cut_off: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        return self.process.process.poll() is None


class Member:
    """One place in the cluster, and all who have held it: `lives`, the newest last."""

    def __init__(
        self, name: str, command: tuple[str, ...], env: Mapping[str, str], folder: Path, proxy: Proxy | None
    ) -> None:
        self.name = name
        self.proxy = proxy
        self.lives: list[Life] = []
        self._command = command
        self._env = {PARENT_PID: str(os.getpid()), **env}
        self._folder = folder
        folder.mkdir(parents=True)

    @property
    def life(self) -> Life:
        return self.lives[-1]

    def start(self) -> None:
        """A new life. From the main thread alone: the kernel takes a thread that ends for a parent that died."""
        log = self._folder / f"{len(self.lives) + 1}.log"
        began_ms = now_ms()
        self.lives.append(Life(log, LoggedProcess(self._command, log, ROOT, self._env), began_ms))

    def signal(self, number: signal.Signals) -> None:
        """To the main process; of the API, whose main process does nothing itself, to all."""
        if self.name == API and number in (signal.SIGSTOP, signal.SIGCONT):
            os.killpg(self.life.process.process.pid, number)
        else:
            self.life.process.signal(number)

    def sandboxes(self) -> set[tuple[int, str]]:
        """(pid, when it started) of its sandbox's zygote and of the zygote's children."""
        own = descendants(self.life.process.process.pid)
        return {(pid, started) for pid, started in own if "sandbox/inside/zygote.py" in command_line(pid)}

    def zygotes(self) -> list[int]:
        """The pids of the zygotes alone: the oldest, since all others come of it."""
        return [pid for pid, _ in sorted(self.sandboxes(), key=lambda found: int(found[1]))[:1]]

    def silences(self) -> list[tuple[float, float]]:
        """From when to when it did not answer anybody, in ms, over all its lives."""
        between = [(dead.ended_ms or 0.0, born.began_ms + BIRTH_MS) for dead, born in pairwise(self.lives)]
        return between + [silence for life in self.lives for silence in (*life.frozen, *life.cut_off)]

    def bury(self) -> None:
        """After its end, or to make one: nothing is left of it, as `start.py` leaves nothing before a new start."""
        life = self.life
        if life.is_running:
            self.signal(signal.SIGKILL)
            life.process.process.wait(10)
        if life.ended_ms is None:
            life.ended_ms = now_ms()
        if not life.process.left_nothing():
            life.process.kill()


class Cluster:
    """All members by name; a context manager that leaves no process behind."""

    def __init__(self, program: Path, folder: Path, logs: Path) -> None:
        self.socket = folder / "redis.sock"
        self.port = free_port()
        self._proxies = ProxyLoop()
        self._program, self._folder, self._logs = program, folder, logs
        self.members: dict[str, Member] = {}

    def __enter__(self) -> Cluster:
        self._proxies.__enter__()
        self._add(REDIS, self._redis_command(), None)
        self._add(API, (sys.executable, str(ROOT / "start.py"), "api"), self._proxy())
        for name in WORKERS:
            words = ("worker", "--without-mingle", "--without-gossip", "-n", f"{name}@chaos")
            self._add(name, module_command(*CELERY, *words), self._proxy())
        for name in BEATS:
            self._add(name, module_command(*CELERY, "beat"), self._proxy())
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members.values():
            if member.lives:
                member.bury()
            if member.proxy is not None:
                member.proxy.close()
        self._proxies.__exit__(None, None, None)

    def start(self) -> None:
        """Everybody."""
        for member in self.members.values():
            member.start()

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    @property
    def redis_url(self) -> str:
        """Around the proxies: for the checks."""
        return f"unix://{self.socket}?db=0"

    def _proxy(self) -> Proxy:
        return Proxy(self._proxies, self.socket)

    def _add(self, name: str, command: tuple[str, ...], proxy: Proxy | None) -> None:
        env = dict(SETTINGS)
        if proxy is not None:
            env |= {"REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0", "PORT": str(self.port)}
        self.members[name] = Member(name, command, env, self._logs / name, proxy)

    def _redis_command(self) -> tuple[str, ...]:
        options = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder), "--save", "")
        return program_command(str(self._program), *options, "--appendonly", "yes", "--appendfsync", "always")
