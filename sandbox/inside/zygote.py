"""The zygote: imports what programs may use, locks itself in, and forks a child on each request.

Started by file path: `python -I zygote.py CONTROL_FD [--module=NAME]… [--without=LAYER]… [--unguarded]`.
"""

from __future__ import annotations

import _socket
import array
import contextlib
import functools
import gc
import json
import os
import select
import signal
import sys
import types
from collections.abc import Callable

MAX_MESSAGE_BYTES = 4_096
_FD_BYTES = 4


def prepare_imports() -> None:
    """Make `sandbox.inside.…` importable without running sandbox/__init__.py, which is the parent's."""
    package = types.ModuleType("sandbox")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]
    sys.modules["sandbox"] = package
    os.environ["PYTHONTZPATH"] = ""  # otherwise zoneinfo loads the interpreter's build variables for nothing
    import zoneinfo  # noqa: F401

    del os.environ["PYTHONTZPATH"]


class Zygote:
    """Forks children, reaps them, and reports both on the control socket.

    It learns of a death through the child's pidfd and not through a signal, so a child has no handler to reset.
    """

    def __init__(self, control: _socket.socket, serve_job: Callable[[int, int, int | None], None]) -> None:
        """serve_job: what a child does, given its socket, its memory in bytes and its processor time in seconds."""
        self._control = control
        self._serve_job = serve_job
        self._numbers: dict[int, int] = {}
        self._pidfds: dict[int, int] = {}
        self._poll = select.poll()

    def serve(self, layers: dict[str, str]) -> None:
        """Until the parent hangs up."""
        self._send({"ready": layers})
        control = self._control.fileno()
        self._poll.register(control, select.POLLIN)
        while True:
            ready = [fd for fd, _ in self._poll.poll()]
            if ready != [control]:
                self._reap()
            if control in ready and not self._obey():
                return

    def _send(self, message: dict[str, object], fds: list[int] | None = None) -> None:
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", fds or []))
        self._control.sendmsg([json.dumps(message).encode()], [rights] if fds else [])

    def _obey(self) -> bool:
        """Obey one order. False if the parent has hung up."""
        message, rights, _, _ = self._control.recvmsg(MAX_MESSAGE_BYTES, _socket.CMSG_LEN(_FD_BYTES))
        if not message:
            return False
        fds = array.array("i", rights[0][2])
        order = json.loads(message)
        self._spawn(order["spawn"], order["memory"], order["cpu"], fds[0])
        return True

    def _spawn(self, number: int, memory_bytes: int, cpu_seconds: int | None, job_fd: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(memory_bytes, cpu_seconds, job_fd)
        os.close(job_fd)
        pidfd = os.pidfd_open(pid)
        self._numbers[pid], self._pidfds[pid] = number, pidfd
        self._poll.register(pidfd, select.POLLIN)
        self._send({"born": number}, [pidfd])

    def _become_child(self, memory_bytes: int, cpu_seconds: int | None, job_fd: int) -> None:
        """Lock down, serve one job, end. Never returns."""
        status = 1
        try:
            self._serve_job(job_fd, memory_bytes, cpu_seconds)
            status = 0
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Reap every dead process, including any that a child has left behind."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._numbers.pop(pid, None)
            if number is not None:
                self._bury(pid)
                cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
                self._send({"died": number, "status": status, "cpu_ms": cpu_ms, "memory_kb": usage.ru_maxrss})

    def _bury(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # anything that it has left behind
        pidfd = self._pidfds.pop(pid)
        self._poll.unregister(pidfd)
        os.close(pidfd)


def _values(arguments: list[str], option: str) -> list[str]:
    return [argument.removeprefix(option) for argument in arguments if argument.startswith(option)]


def main(arguments: list[str]) -> None:
    """Import, lock in, serve."""
    prepare_imports()
    from sandbox.inside import child, confine, library

    # Python's handler would raise KeyboardInterrupt in a program, as if that had failed by itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Move it to a low number: a parent with many open files may have passed one that a child does not close.
    control = _socket.socket(fileno=os.dup(int(arguments[0])))
    os.close(int(arguments[0]))
    guarded = "--unguarded" not in arguments
    library.admit(_values(arguments, "--module="))
    child.warm_up(guarded=guarded)
    gc.collect()
    gc.freeze()  # a collection writes to every object it visits; frozen objects stay shared between processes
    layers = confine.confine_process(_values(arguments, "--without="))
    gc.freeze()
    with contextlib.suppress(OSError):  # the parent is gone
        Zygote(control, functools.partial(child.main, guarded=guarded)).serve(layers)


if __name__ == "__main__":
    main(sys.argv[1:])
