"""The processes: started, harmed and started again, each life with a log of its own."""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self

from app.launch.child import PARENT_PID, module_command, program_command
from tests.servers import ROOT, LoggedProcess, ModuleProcess
from tests.system import command_line, descendants, free_port
from tests.system.chaos.client import Caller
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
#: What `python -m` runs.
API_WORDS = ("start", "api")
BEAT_WORDS = module_command("tasks.celery_roles", "beat")[2:]


def now_ms() -> float:
    """Now, in ms since 1970, as the logs say it."""
    return time.time() * 1000


class Link(Protocol):
    """What connects a member with the others: with Redis alone (proxy.py), or with everybody (hosts.py)."""

    is_whole_host: bool

    def reset(self) -> None:
        """Break every connection. New ones work."""

    def cut_off(self) -> None:
        """Pass nothing on from now, and say nothing."""

    def mend(self) -> None:
        """Pass everything on again."""

    def slow_down(self, seconds: float) -> None:
        """Pass everything on so much later."""

    def close(self) -> None:
        """End it."""


@dataclass(slots=True)
class Life:
    """One process from its start to its end.

    frozen, cut_off: from when to when it stood still, or could not reach Redis, in ms.
    isolated: of cut_off, when it could reach nobody else either.
    """

    log: Path
    process: LoggedProcess = field(repr=False)
    began_ms: float
    ended_ms: float | None = None
    frozen: list[tuple[float, float]] = field(default_factory=list)
    cut_off: list[tuple[float, float]] = field(default_factory=list)
    isolated: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        return self.process.process.poll() is None


class Member:
    """One place in the cluster, and all who have held it: `lives`, the newest last.

    command: as `process` takes it. ahead_ms: how far its clock is ahead of this process's.
    """

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        env: Mapping[str, str],
        folder: Path,
        link: Link | None,
        ahead_ms: float = 0.0,
        process: type[LoggedProcess] = LoggedProcess,
    ) -> None:
        self.name = name
        self.link = link
        self.ahead_ms = ahead_ms
        self.lives: list[Life] = []
        self._command = command
        self._process = process
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
        self.lives.append(Life(log, self._process(self._command, log, ROOT, self._env), began_ms))

    def signal(self, number: signal.Signals) -> None:
        """To the main process; of the API, whose main process does nothing itself, to all."""
        if self.name.startswith(API) and number in (signal.SIGSTOP, signal.SIGCONT):
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
            life.ended_ms = now_ms()
            life.process.process.wait(10)
        if life.ended_ms is None:
            life.ended_ms = now_ms()
        if not life.process.left_nothing():
            life.process.kill()


class Cluster(ABC):
    """All members by name; a context manager that leaves no process behind.

    workers, beats, apis: the names of those. services: of the others, which are not ours.
    """

    workers: tuple[str, ...]
    beats: tuple[str, ...]
    apis: tuple[str, ...]
    services: tuple[str, ...]
    lease_seconds: float
    #: Where the target of API tasks listens: an address that every member reaches.
    target_address: str
    #: How far the clocks of two members may differ.
    skew_ms = 0.0
    #: Whether members lose the target of API tasks, too, when they are cut off.
    has_partitions = False

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}

    def __exit__(self, *_: object) -> None:
        for member in self.members.values():
            if member.lives:
                member.bury()
            if member.link is not None:
                member.link.close()

    def start(self) -> None:
        """Everybody."""
        for member in self.members.values():
            member.start()

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    @abstractmethod
    def __enter__(self) -> Self:
        """Make the members."""

    @abstractmethod
    def caller(self) -> Caller:
        """Who calls the API as users do."""

    @property
    @abstractmethod
    def redis_url(self) -> str:
        """For the checks, who may read everything and are never cut off."""

    @abstractmethod
    def redis_silences(self) -> list[tuple[float, float]]:
        """From when to when no Redis took writes, in ms."""

    def may_suffer(self, name: str) -> bool:
        """Whether the promises hold if this member is harmed now."""
        return True


class LocalCluster(Cluster):
    """On this machine: an API, two workers, two beats, and one Redis, each behind a proxy of its own."""

    workers, beats, apis, services = WORKERS, BEATS, (API,), (REDIS,)
    lease_seconds = LEASE_SECONDS
    target_address = "127.0.0.1"

    def __init__(self, program: Path, folder: Path, logs: Path) -> None:
        super().__init__()
        self.socket = folder / "redis.sock"
        self.port = free_port()
        self._proxies = ProxyLoop()
        self._program, self._folder, self._logs = program, folder, logs

    def __enter__(self) -> Self:
        self._proxies.__enter__()
        self.members[REDIS] = Member(REDIS, self._redis_command(), SETTINGS, self._logs / REDIS, None)
        self._add(API, API_WORDS)
        for name in WORKERS:
            self._add(name, worker_words(name))
        for name in BEATS:
            self._add(name, BEAT_WORDS)
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._proxies.__exit__(None, None, None)

    def caller(self) -> Caller:
        return Caller(("127.0.0.1", self.port))

    @property
    def redis_url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def redis_silences(self) -> list[tuple[float, float]]:
        return self[REDIS].silences()

    def _add(self, name: str, words: tuple[str, ...]) -> None:
        """One of ours."""
        proxy = Proxy(self._proxies, self.socket)
        env = {**SETTINGS, "REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0", "PORT": str(self.port)}
        self.members[name] = Member(name, words, env, self._logs / name, proxy, process=ModuleProcess)

    def _redis_command(self) -> tuple[str, ...]:
        options = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder), "--save", "")
        return program_command(str(self._program), *options, "--appendonly", "yes", "--appendfsync", "always")


def worker_words(name: str) -> tuple[str, ...]:
    """What `python -m` runs for the worker with this name."""
    return module_command("tasks.celery_roles", "worker", "--name", name)[2:]
