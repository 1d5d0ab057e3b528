"""What a child process does so that it ends with its parent.

A parent that is killed can't clean up. So a child looks after itself: it gets its parent's pid in the
variable CELERIAC_PARENT_PID and calls `die_with_parent()` early. A command run by hand has no such
variable and outlives its shell as usual. Programs that don't do this themselves are started through this
module's command line:

    python -m app.launch.child module tasks.celery_roles worker      run a Python module, watching the parent
    python -m app.launch.child program /path/to/valkey-server …      become (or guard) another program

This module imports little, so that a program starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from app.launch.stop_event import StopEvent

PARENT_PID = "CELERIAC_PARENT_PID"
ORPHAN_GRACE_SECONDS = 6.0
PARENT_CHECK_SECONDS = 0.5


def die_with_parent() -> None:
    """End this process when the process named in CELERIAC_PARENT_PID ends; without that variable, do nothing.

    SIGTERM comes first, from the kernel on Linux and from a watching thread elsewhere. A process that is still there
    after ORPHAN_GRACE_SECONDS is killed with its process group. Call this once, early.
    """
    text = os.environ.get(PARENT_PID, "")
    if not text.isdigit():
        return
    parent_pid = int(text)
    # The order matters: getppid() afterwards shows whether the parent died before the kernel was asked.
    kernel_signals = _ask_kernel_for_sigterm() and os.getppid() == parent_pid
    threading.Thread(target=_watch_parent, args=(parent_pid, kernel_signals), name="parent-watch", daemon=True).start()


def _ask_kernel_for_sigterm() -> bool:
    """Linux only: request SIGTERM for when the parent dies. The request survives an exec but not a fork."""
    if sys.platform != "linux":
        return False
    pr_set_pdeathsig = 1
    refused: int = ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGTERM), 0, 0, 0)
    return not refused


def _watch_parent(parent_pid: int, kernel_signals: bool) -> None:
    while os.getppid() == parent_pid:
        time.sleep(PARENT_CHECK_SECONDS)
    if not kernel_signals:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


# --- the command line through which children are started --------------------------------------------


def module_command(*words: str) -> tuple[str, ...]:
    """The command that runs a Python module (`tasks.celery_roles`, "worker", …) so that it ends with its parent."""
    return (sys.executable, "-m", "app.launch.child", "module", *words)


def program_command(*words: str) -> tuple[str, ...]:
    """The command that runs any other program so that it ends with its parent."""
    return (sys.executable, "-m", "app.launch.child", "program", *words)


def main(arguments: Sequence[str]) -> int:
    """Run `module NAME …` or `program PATH …`; see the module's docstring."""
    kind, *words = arguments
    return run_module(*words) if kind == "module" else _run_program(words)


def run_module(*words: str) -> int:
    """Run a Python module in this process, which ends with its parent; what `module_command` does."""
    die_with_parent()
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    return 0


def _run_program(argv: list[str]) -> int:
    parent_pid = int(os.environ[PARENT_PID])
    will_be_signalled = _ask_kernel_for_sigterm()
    if os.getppid() != parent_pid:
        return 1  # the parent died before the kernel was asked
    if will_be_signalled:
        os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted; the request to the kernel survives the exec
    return guard(argv, parent_pid)


def guard(argv: Sequence[str], parent_pid: int) -> int:
    """Run a program and end it with its parent, on a system whose kernel does not offer that."""
    import subprocess  # needed only here

    started: list[subprocess.Popen[bytes]] = []
    is_to_end = StopEvent()

    def pass_on(number: int, frame: FrameType | None) -> None:
        is_to_end.set()
        for one in started:
            one.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)  # it may come while the program is being started
    # close_fds: the embedded server inherits its folder's lock as an open file.
    program = subprocess.Popen(argv, close_fds=False)  # noqa: S603 - our own command
    started.append(program)
    if is_to_end.is_set():
        program.terminate()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return program.wait(PARENT_CHECK_SECONDS)
        if os.getppid() != parent_pid:
            program.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
