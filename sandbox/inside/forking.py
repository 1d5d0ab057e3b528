"""The zygote's work: fork, reap, report."""

from __future__ import annotations

import _socket
import json
import os
import resource
import select
import signal
import struct
from collections.abc import Callable

from sandbox import protocol
from sandbox.inside import lockdown

_FD = struct.Struct("i")
_RIGHTS_BYTES = _socket.CMSG_LEN(_FD.size)


#: Where the zygote has its end of the control socket. It keeps JOB_FD free: the kernel hands out the lowest number, so
#: that is what the next child's socket gets, and the child need not move it.
CONTROL_FD = lockdown.JOB_FD + 1


def take_control(fd: int) -> _socket.socket:
    """The control socket, moved to CONTROL_FD; JOB_FD is taken as well until `serve`."""
    if fd != CONTROL_FD:
        os.dup2(fd, CONTROL_FD, inheritable=False)
        os.close(fd)
    os.dup2(1, lockdown.JOB_FD, inheritable=False)
    return _socket.socket(fileno=CONTROL_FD)


class Zygote:
    """Forks children, reaps them, and reports both on the control socket.

    It learns of a death through the child's pidfd and not through a signal, so a child has no handler to reset.
    What it writes to is copied after each fork, so it makes and looks at as little as possible.
    """

    def __init__(
        self,
        control: _socket.socket,
        serve_job: Callable[[int, int, int | None], None],
        fork: Callable[[], int],
    ) -> None:
        """serve_job: what a child does, given its socket, its memory in bytes and its processor time in seconds."""
        self._control = control
        self._serve_job = serve_job
        self._fork = fork
        self._children: dict[int, tuple[int, int]] = {}  # process -> its number and its pidfd
        self._poll = select.poll()

    def serve(self, layers: dict[str, str], version: str) -> None:
        """Until the parent hangs up."""
        os.dup2(1, 2)  # the parent's stderr has been kept so far, to say why the zygote could not start
        os.close(lockdown.JOB_FD)
        self._control.send(json.dumps({"ready": layers, "version": version}).encode())
        poll = self._poll.poll
        self._poll.register(CONTROL_FD, select.POLLIN)
        while True:
            ready = poll()
            if len(ready) > 1 or ready[0][0] != CONTROL_FD:
                self._reap()
            if ready[0][0] == CONTROL_FD and not self._obey():
                return

    def _obey(self) -> bool:
        """Obey one order. False if the parent has hung up."""
        message, rights, _, _ = self._control.recvmsg(protocol.SPAWN.size, _RIGHTS_BYTES)
        if not message:
            return False
        self._spawn(*protocol.SPAWN.unpack(message), *_FD.unpack(rights[0][2]))
        return True

    def _spawn(self, number: int, memory_bytes: int, cpu_seconds: int, job_fd: int) -> None:
        try:
            pid = self._fork()
        except OSError:  # there is no room for another process: those that run are not to end for that
            os.close(job_fd)
            self._control.send(protocol.NEWS.pack(protocol.REFUSED, number, 0, 0.0, 0))
            return
        if pid == 0:
            try:
                self._serve_job(job_fd, memory_bytes, cpu_seconds or None)
                os._exit(0)
            finally:
                os._exit(1)
        pidfd = os.pidfd_open(pid)  # before the job's descriptor is closed: it must not get that number
        os.close(job_fd)
        self._children[pid] = number, pidfd
        self._poll.register(pidfd, select.POLLIN)
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _FD.pack(pidfd))
        self._control.sendmsg((protocol.NEWS.pack(protocol.BORN, number, 0, 0.0, 0),), (rights,))

    def _reap(self) -> None:
        """Reap every dead process, including any that a child has left behind."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._children:
                self._bury(pid, status, usage)

    def _bury(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        number, pidfd = self._children.pop(pid)
        try:  # noqa: SIM105  (contextlib's would touch more memory)
            os.killpg(pid, signal.SIGKILL)  # anything that it has left behind
        except (ProcessLookupError, PermissionError):
            pass
        self._poll.unregister(pidfd)
        os.close(pidfd)
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        self._control.send(protocol.NEWS.pack(protocol.DIED, number, status, cpu_ms, usage.ru_maxrss))
