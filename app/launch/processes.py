"""Child processes: starts them, watches them, restarts them, and never leaves one behind.

Theory of operation. `start.py` runs a Supervisor; every child gets a session of its own, so that Ctrl-C in
a terminal reaches start.py alone and is passed on once, and so that a child and its own children can be
signalled as one group.

    start.py ── Supervisor ─┬─ valkey-server          gets SIGTERM from the kernel when start.py ends
                            ├─ start.py api ── granian's workers (API_PROCESSES)
                            ├─ tasks.celery_roles worker ── the sandbox's zygote (watches its own parent)
                            └─ tasks.celery_roles beat

On Linux, the API, the workers and beat are forks of start.py (app/launch/fork.py), which do what the command
would; elsewhere, and valkey-server always, they are processes that run the command.

A parent that is killed can't clean up. So a child looks after itself (app/launch/child.py).
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.launch import fork
from app.launch.child import PARENT_PID
from app.launch.fork import Fork, Result

ROOT = Path(__file__).resolve().parent.parent.parent

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
EXIT_USELESS_HERE = 78  # EX_CONFIG: starting this child again would not help
EXIT_NEWER_DATA = 76  # EX_PROTOCOL: a newer version wrote the data; no child can run
STEADY_SECONDS = 60.0  # after this long a child gets a short pause again
STOP_GRACE_SECONDS = 7.0  # with the 2.5 s of the embedded server, stopping takes less than 10 s in all

Say = Callable[[str], None]


def next_pause_seconds(last_pause_seconds: float, alive_seconds: float) -> float:
    """How long to wait before restarting a child that died; `last_pause_seconds` is 0 the first time."""
    if last_pause_seconds == 0 or alive_seconds >= STEADY_SECONDS:
        return FIRST_PAUSE_SECONDS
    return min(last_pause_seconds * 2, LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run in Celeriac's folder, with `env` as its whole environment; `fds` stay open in it.

    call: what a fork of this process may call instead. It returns what `sys.exit` takes.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    fds: tuple[int, ...] = ()
    call: Callable[[], Result] | None = None


class Child:
    """One running command, leader of a session and process group of its own."""

    def __init__(self, command: Command) -> None:
        """Start the command, or a fork that makes its call. Raises OSError if that can't be done.

        Call this from the main thread: the kernel mistakes the end of a thread for the death of the parent.
        """
        self._process = _fork(command) or subprocess.Popen(  # noqa: S603 - our own command
            command.argv,
            cwd=ROOT,
            env=_env(command),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=command.fds,
        )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status (negative: the signal that ended the command), or None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask the leader to end; the leader ends its own children."""
        self._process.terminate()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether the command ends within the time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, timeout_seconds))
        return self.poll() is not None

    def kill_group(self) -> None:
        """Kill every process left in the group, even if the leader has ended already."""
        # macOS answers "not permitted" for a group with nothing but zombies left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def _fork(command: Command) -> Fork | None:
    if command.call is None or not fork.is_possible():
        return None
    title = f"celeriac {command.name}".removesuffix(" tasks")  # there is only room for the length of the command
    return Fork(title, command.call, _env(command), ROOT)


def _env(command: Command) -> dict[str, str]:
    return {**command.env, PARENT_PID: str(os.getpid())}


@dataclass(slots=True)
class _Watched:
    command: Command
    child: Child | None
    started_at: float
    pause_seconds: float = 0.0
    due_at: float = 0.0  # when to restart it, while child is None


class Supervisor:
    """Keeps its children running until `stop`. All calls come from the main thread.

    `say` gets a sentence about each event, and `warn` (default: `say`) about each event that should not happen. Tests
    replace `clock` and `spawn`.
    """

    def __init__(
        self,
        say: Say,
        *,
        warn: Say | None = None,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Command], Child] = Child,
    ) -> None:
        self._say = say
        self._warn = warn or say
        self._clock = clock
        self._spawn = spawn
        self._watched: list[_Watched] = []
        #: A child has found data of a newer version.
        self.has_newer_data = False

    def start(self, command: Command) -> int:
        """Start a command and keep it running. Returns its pid."""
        child = self._spawn(command)
        self.adopt(command, child)
        return child.pid

    def adopt(self, command: Command, child: Child) -> None:
        """Take over a child that was started elsewhere and keep it running."""
        self._watched.append(_Watched(command, child, started_at=self._clock()))

    def tick(self) -> None:
        """Notice children that have died, and restart those whose pause is over. Returns at once."""
        now = self._clock()
        for watched in self._watched:
            if watched.child is not None:
                self._notice_death(watched, watched.child, now)
            elif watched.due_at <= now:
                self._restart(watched, now)

    def _notice_death(self, watched: _Watched, child: Child, now: float) -> None:
        status = child.poll()
        if status is None:
            return
        child.kill_group()  # its own children must not run beside its successor
        watched.child = None
        if status == EXIT_USELESS_HERE:
            watched.due_at = math.inf
            self._say(f"{watched.command.name} cannot run here, as it says above; the rest runs without it")
            return
        self.has_newer_data = self.has_newer_data or status == EXIT_NEWER_DATA
        watched.pause_seconds = next_pause_seconds(watched.pause_seconds, now - watched.started_at)
        watched.due_at = now + watched.pause_seconds
        name = watched.command.name
        self._warn(f"{name} {describe_exit(status)}; restarting it in {watched.pause_seconds:g} s")

    def _restart(self, watched: _Watched, now: float) -> None:
        try:
            watched.child = self._spawn(watched.command)
        except OSError as error:  # out of memory or processes: try again later
            watched.pause_seconds = next_pause_seconds(watched.pause_seconds, 0.0)
            watched.due_at = now + watched.pause_seconds
            self._warn(f"{watched.command.name} could not be started: {error}")
            return
        watched.started_at = now
        self._say(f"{watched.command.name} restarted (pid {watched.child.pid})")

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """End all children and their children: SIGTERM, then SIGKILL for those left after the grace period."""
        running = [(watched.command.name, watched.child) for watched in self._watched if watched.child]
        self._watched.clear()
        for _, child in running:
            child.terminate()
        deadline = self._clock() + grace_seconds
        for name, child in running:
            if not child.wait(deadline - self._clock()):
                self._warn(f"{name} did not stop within {grace_seconds:g} s; killing it")
            child.kill_group()


def describe_exit(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
