"""The zygote: imports what programs may use, locks itself in, and forks a child whenever it is asked.

Started by file path: `python -I zygote.py CONTROL_FD [--module=NAME]… [--unguarded]`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import types
from pathlib import Path

MAX_MESSAGE_BYTES = 4_096


def import_without_the_parent_side() -> None:
    """Make `sandbox.inside.…` importable without running sandbox/__init__.py, which is the parent's."""
    package = types.ModuleType("sandbox")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["sandbox"] = package


class Zygote:
    """Forks children, reaps them, and reports both on the control socket."""

    def __init__(self, control: socket.socket, guarded: bool) -> None:
        self._control = control
        self._guarded = guarded
        self._numbers: dict[int, int] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self, layers: dict[str, str]) -> None:
        """Until the parent hangs up."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._send({"ready": layers})
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wake_read:
                    self._reap()
                elif not self._obey():
                    return

    def _send(self, message: dict[str, object], fds: list[int] | None = None) -> None:
        socket.send_fds(self._control, [json.dumps(message).encode()], fds or [])

    def _obey(self) -> bool:
        """One order; False when the parent has hung up."""
        message, fds, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 1)
        if not message:
            return False
        order = json.loads(message)
        self._spawn(order["spawn"], order["memory"], order["cpu"], fds[0])
        return True

    def _spawn(self, number: int, memory_bytes: int, cpu_seconds: int | None, job_fd: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(memory_bytes, cpu_seconds, job_fd)
        os.close(job_fd)
        self._numbers[pid] = number
        pidfd = os.pidfd_open(pid)
        try:
            self._send({"born": number}, [pidfd])
        finally:
            os.close(pidfd)

    def _become_child(self, memory_bytes: int, cpu_seconds: int | None, job_fd: int) -> None:
        """Lock down, serve one job, end. Never returns."""
        status = 1
        try:
            from sandbox.inside import child

            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child.main(job_fd, memory_bytes, cpu_seconds, guarded=self._guarded)
            status = 0
        finally:
            os._exit(status)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._numbers.pop(pid, None)
            if number is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)  # whatever it might have left behind
                cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
                self._send({"died": number, "status": status, "cpu_ms": cpu_ms, "memory_kb": usage.ru_maxrss})


def main(arguments: list[str]) -> None:
    """Import, lock in, serve."""
    import_without_the_parent_side()
    from sandbox.inside import child, confine, modules

    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    guarded = "--unguarded" not in arguments
    modules.admit([argument.removeprefix("--module=") for argument in arguments if argument.startswith("--module=")])
    child.warm_up(guarded=guarded)
    layers = confine.confine_process()
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError):  # the parent is gone, and so is the reason to be here
        Zygote(control, guarded).serve(layers)


if __name__ == "__main__":
    main(sys.argv[1:])
