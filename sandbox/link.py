"""The zygote as the parent sees it: a process, a control socket, and a thread that is told about children.

Messages on the control socket (SOCK_SEQPACKET):
    parent -> zygote   SPAWN, with the child's end of its socket
    zygote -> parent   first, as JSON, {"ready": {layer: state}, "version": text}
                       NEWS that a child is born, with its pidfd, that it died, or that it could not be forked
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import protocol
from sandbox.verdict import SandboxError

ZYGOTE = Path(__file__).parent / "inside" / "zygote.py"
START_SECONDS = 20.0
MAX_MESSAGE_BYTES = 16_384
_GOODBYE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended, as the kernel reports it."""

    status: int
    cpu_ms: float
    memory_kb: int


@dataclass(slots=True)
class Child:
    """A child: its socket, the means to kill it, and how it died. version: of its Python and its policy."""

    socket: socket.socket
    memory_bytes: int
    version: str
    pidfd: int | None = None
    death: Death | None = None
    kill_wanted: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    died: threading.Event = field(default_factory=threading.Event)

    def still_waits(self) -> bool:
        """Whether its end of the socket is open. A child sends nothing before its job, so only its end can be read."""
        try:
            self.socket.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def kill(self) -> None:
        """Send SIGKILL now, or as soon as the child is born. Has no effect on a dead child."""
        with self.lock:
            self.kill_wanted = True
            self._kill_if_born()

    def born(self, pidfd: int) -> None:
        """Note that the zygote has forked it."""
        with self.lock:
            self.pidfd = pidfd
            if self.kill_wanted:
                self._kill_if_born()

    def discard(self) -> None:
        """Kill it, and let go of its socket."""
        self.kill()
        self.socket.close()

    def _kill_if_born(self) -> None:
        if self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def buried(self, death: Death | None) -> None:
        """Note that it is dead and reaped. None: the zygote died, and the child with it; or it could not be forked."""
        with self.lock:
            self.death = death
            if self.pidfd is not None:
                os.close(self.pidfd)
                self.pidfd = None
        self.died.set()


class Link:
    """A running zygote. `lost` is set once it is gone; then a new Link is needed."""

    def __init__(self, options: Sequence[str]) -> None:
        """Start it and wait until it is locked in. Raises SandboxError."""
        self.lost = threading.Event()
        self.layers: dict[str, str] = {}
        self.version = ""
        self._children: dict[int, Child] = {}
        self.spawned = 0
        self._lock = threading.Lock()
        self._control, self._theirs = _blocking_pair(socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: SandboxError | None = None
        self._tried = threading.Event()
        try:
            threading.Thread(target=self._live, args=(options,), name="sandbox-link", daemon=True).start()
        except RuntimeError as error:
            self._control.close()
            self._theirs.close()
            raise SandboxError(f"the zygote could not be started: {error}") from error
        self._tried.wait()
        if self._failure is not None:
            raise self._failure

    def _live(self, options: Sequence[str]) -> None:
        """The kernel kills the zygote when the thread that started it ends, so this thread lives as long as it does."""
        try:
            with self._theirs:
                self._process = _start(self._theirs, options)
            self._await_ready()
        except SandboxError as failure:
            self._control.close()  # not left to the garbage collector: the failure and this object hold each other
            self._failure = failure
            self.lost.set()
            return
        finally:
            self._tried.set()
        self._listen()

    def _await_ready(self) -> None:
        self._control.settimeout(START_SECONDS)
        message = None
        try:
            message = self._control.recv(MAX_MESSAGE_BYTES)
            said = json.loads(message)
            self.layers, self.version = said["ready"], said["version"]
        except (OSError, ValueError, KeyError) as error:
            self.close()
            why = self._how_it_ended() if message == b"" else type(error).__name__
            raise SandboxError(f"the zygote did not start: {why}") from error
        self._control.settimeout(None)

    def _how_it_ended(self) -> str:
        status = None if self._process is None else self._process.returncode
        if status is not None and status < 0:
            return f"it was killed by signal {-status}"
        return f"it ended with status {status}; its last lines on stderr say why"

    def spawn(self, memory_bytes: int, cpu_seconds: int | None) -> Child:
        """Request a child. Its socket accepts a job at once. Raises SandboxError without a zygote, or a file for it."""
        ours, theirs = _blocking_pair(socket.SOCK_STREAM)
        child = Child(ours, memory_bytes, self.version)
        with self._lock:
            self.spawned += 1
            number = self.spawned
            self._children[number] = child
        message = protocol.SPAWN.pack(number, memory_bytes, cpu_seconds or 0)
        try:
            with theirs:
                socket.send_fds(self._control, [message], [theirs.fileno()])
        except OSError as error:
            ours.close()
            self._forget(number)
            if isinstance(error, ConnectionError):
                self.lost.set()  # a busy machine may let the thread that listens know of it much later
            raise SandboxError("the zygote is gone") from error
        if self.lost.is_set():
            self._bury_all()
        return child

    def _forget(self, number: int) -> Child | None:
        with self._lock:
            return self._children.pop(number, None)

    def _listen(self) -> None:
        try:
            while True:
                message, fds, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 1)
                if not message:
                    break
                self._heard(message, fds)
        except (OSError, struct.error):
            pass  # the zygote is gone, was told to end, or has a child that nothing here could kill
        self.lost.set()
        self._hang_up()
        self._bury_all()
        self._reap()

    def _heard(self, message: bytes, fds: list[int]) -> None:
        letter, number, status, cpu_ms, memory_kb = protocol.NEWS.unpack(message)
        if letter == protocol.BORN:
            if not fds:  # this process has as many files open as it may: without a pidfd, no limit would end the child
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            with self._lock:
                child = self._children.get(number)
            if child is None:
                os.close(fds[0])
            else:
                child.born(fds[0])
        else:
            child = self._forget(number)
            if child is not None:
                child.buried(Death(status, cpu_ms, memory_kb) if letter == protocol.DIED else None)

    def _bury_all(self) -> None:
        with self._lock:
            children, self._children = list(self._children.values()), {}
        for child in children:
            child.buried(None)

    def close(self) -> None:
        """End the zygote and all its children."""
        self._hang_up()
        self._reap()
        self._control.close()

    def _hang_up(self) -> None:
        """Tell the zygote to end; the kernel ends its children with it."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def _reap(self) -> None:
        """Wait for the zygote, whose control socket is closed; kill it if it does not end. Thread-safe."""
        if self._process is not None:
            try:
                self._process.wait(_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def abandon(self) -> None:
        """Let go of the zygote without ending it, in a process that was forked from the one that started it."""
        self._control.close()
        for child in self._children.values():
            child.socket.close()
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for


def _blocking_pair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    """Two blocking ends, even while other code in this process has set a default timeout (Celery does, briefly).

    Raises SandboxError.
    """
    try:
        pair = socket.socketpair(socket.AF_UNIX, kind)
    except OSError as error:
        raise SandboxError(f"the sandbox gets no socket: {error.strerror}") from error
    for end in pair:
        end.setblocking(True)
    return pair


def _start(control: socket.socket, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a fresh interpreter by file path, without environment. -I keeps the user's files out of its imports.

    It keeps what it compiles of our files, unless this process keeps nothing either: half its start would be compiling.
    """
    flags = ["-I", "-B"] if sys.dont_write_bytecode else ["-I"]
    try:
        return subprocess.Popen(
            [sys.executable, *flags, str(ZYGOTE), str(control.fileno()), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[control.fileno()],
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"the zygote could not be started: {error.strerror}") from error
