"""Forks of this process, which has imported what they need: each calls a function and ends with what that returns.

A fork starts in a tenth of a second, where a new interpreter takes a second and more to import the same modules, and
the memory of these modules is shared (docs/decisions/0036).
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

POLL_SECONDS = 0.01
#: What `sys.exit` takes: an exit status, or why the function has failed.
Result = int | str | None
#: Signals that the parent may handle by functions of its own, which are not the fork's.
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def is_possible() -> bool:
    """Whether processes are forked here: only on Linux. On macOS, a fork can't use some of the system's libraries."""
    return sys.platform == "linux"


class Fork:
    """A running fork; what is used of `subprocess.Popen`.

    The fork leads a session of its own, with /dev/null as its input and no open files but its output. It does not
    return to the code that has made it, and runs none of its `finally` blocks.
    """

    def __init__(self, title: str, call: Callable[[], Result], env: Mapping[str, str], folder: Path) -> None:
        """Call `call` in a fork, in `folder`, with `env` as the environment. Raises OSError if there can't be one.

        title: what `ps` shows, as far as there is room. Call this from the main thread of a process that has no other.
        """
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=(title, call, env, folder))
        # A signal that comes before the fork has handlers of its own is kept until then.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status (negative: the signal that ended the fork), or None while it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises subprocess.TimeoutExpired after so many seconds."""
        # Not by the pipe that `join` waits for: a fork closes its end of it with all other files.
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
            time.sleep(POLL_SECONDS)
        return status


def _run(title: str, call: Callable[[], Result], env: Mapping[str, str], folder: Path) -> None:
    become_new(env, folder)
    _set_title(title)
    for number in _HANDLED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    sys.exit(call())


def become_new(env: Mapping[str, str], folder: Path) -> None:
    """Give this process, a fork, its own session, input, folder and environment, and no open files but its output."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _close_files()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)


def _close_files() -> None:
    """Close all files but input and output, such as the lock on the folder of the embedded server."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) > 2:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(int(entry.name))


def _set_title(title: str) -> None:
    """Write what `ps` shows where the kernel reads it: over the words of the command, and no further.

    The package setproctitle would do it, too. But Celery looks for that package, and gives its workers other titles
    with it, also those of `celery -A celery_app worker`, which people find by these words.
    """
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    if start:  # 0 where that is kept secret
        ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)
