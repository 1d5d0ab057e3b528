"""Ends what the tests have started and not ended: because a test failed in between, or because pytest was killed.

Each process of pytest has a watcher, which waits for its end, however that comes about. The watcher then kills every
process with the mark of that pytest: a variable of the environment, which all that tests start inherit. It has no mark
itself. Linux only, as it reads the environments in /proc.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

MARK = "CELERIAC_TESTS"
END_SECONDS = 10.0


class Watcher:
    """A plugin of pytest: the watcher of this process."""

    def __init__(self) -> None:
        """Start the watcher, and mark the environment of this process."""
        unmarked = {name: value for name, value in os.environ.items() if name != MARK}
        os.environ[MARK] = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid()), f"{MARK}={os.environ[MARK]}"],
            env=unmarked,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # or who reads the output of pytest would wait for the watcher
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
        )

    def pytest_unconfigure(self) -> None:
        """Have what is left ended, and wait for that."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(2 * END_SECONDS)
        for each in gc.get_objects():
            if issubclass(type(each), subprocess.Popen):
                each.poll()  # else it would warn, beside what has failed, that it is still running


def marked(mark: str) -> list[int]:
    """The processes with a mark, NAME=VALUE, in the environment that they were started with."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # has ended, or belongs to somebody else
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended (as a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _wait_for_end(pid: int) -> None:
    """Wait until stdin is closed or the process has ended: a fork of it can hold the other end of stdin open."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    with contextlib.suppress(OSError):  # an old kernel, or it has ended
        poll.register(os.pidfd_open(pid), select.POLLIN)
    poll.poll()


def _main(pid: int, mark: str) -> None:
    _wait_for_end(pid)
    deadline = time.monotonic() + END_SECONDS
    killed = set[int]()
    while (left := marked(mark)) and time.monotonic() < deadline:
        killed |= {*left}
        for each in left:
            with contextlib.suppress(OSError):
                os.kill(each, signal.SIGKILL)
        time.sleep(0.02)
    # One that is ending loses its environment first, and then, which takes a while, all its memory.
    while any(is_running(each) for each in killed) and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2])
