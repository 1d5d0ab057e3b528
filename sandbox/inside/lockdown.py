"""How a child gives up the rest of its rights: a list of calls in order."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable

from sandbox.inside import landlock, seccomp, system

JOB_FD = 3
#: The zygote has no descriptor from this number on, so a child inherits none that it does not close.
MAX_FDS = 1024


class _Prepared:
    """What the zygote has found to work, and holds ready for its children: they fork with it."""

    def __init__(self) -> None:
        self.has_process_namespace = False
        self.enter_scope: Callable[[], int] | None = None
        self.has_limits = False
        self.limits: list[tuple[int, tuple[int, int]]] = []
        self.filter: seccomp.Filter | None = None
        self.address_space_bytes = 268_435_456
        self.most_bytes = sys.maxsize


_prepared = _Prepared()


def lock_down(job_fd: int, memory_bytes: int, cpu_seconds: int | None) -> None:
    """From here on, the process can compute and use its one socket, and nothing else."""
    prepared = _prepared
    if not prepared.has_process_namespace:
        system.die_with_parent()  # nothing else would end a busy program with its zygote
    os.setsid()
    if prepared.enter_scope is not None:
        prepared.enter_scope()
    if job_fd != JOB_FD:
        os.dup2(job_fd, JOB_FD, inheritable=False)
    os.closerange(JOB_FD + 1, MAX_FDS)
    if prepared.has_limits:
        address_space_bytes = min(memory_bytes + prepared.address_space_bytes, prepared.most_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
        for limit, values in prepared.limits:
            resource.setrlimit(limit, values)
        if cpu_seconds is not None:
            at_most(resource.RLIMIT_CPU, cpu_seconds)
    if prepared.filter is not None:
        prepared.filter.install()


def at_most(limit: int, value: int) -> None:
    """Lower a limit for good, unless it is lower already."""
    _, hard = resource.getrlimit(limit)
    if hard == resource.RLIM_INFINITY or hard > value:
        resource.setrlimit(limit, (value, value))


# --- once, in the zygote ------------------------------------------------------------------------------


def measure_address_space() -> None:
    """Measure the zygote's memory while /proc can still be read. A child's limit is added to it."""
    if system.LINUX:
        with open("/proc/self/statm") as statm:
            _prepared.address_space_bytes = int(statm.read().split()[0]) * resource.getpagesize()


def expect_process_namespace() -> None:
    """The kernel ends all children with the zygote."""
    _prepared.has_process_namespace = True


def prepare_limits() -> None:
    """Set the limits that the zygote can live with, and have each child set the others."""
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    at_most(resource.RLIMIT_NOFILE, MAX_FDS)
    _prepared.has_limits = True
    _, most_bytes = resource.getrlimit(resource.RLIMIT_AS)
    if most_bytes != resource.RLIM_INFINITY:
        _prepared.most_bytes = most_bytes
    # Descriptors that are open stay; no file, socket or pipe can be opened ever again.
    _prepared.limits = [(resource.RLIMIT_NOFILE, (0, 0)), (resource.RLIMIT_NPROC, (0, 0))]


def prepare_scope() -> None:
    """Keep this process, and each child by itself, from signalling anyone. Raises OSError, NotImplementedError."""
    ruleset = landlock.make_scope()
    enter = landlock.entry_to_scope(ruleset)
    enter()
    _prepared.enter_scope = enter


def probe_seccomp() -> None:
    """Install the filter in a process made for this, and check that an unlisted call kills it. Raises OSError."""
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    prepared = seccomp.Filter(seccomp.program(system.MACHINE))
    pid = os.fork()
    if pid == 0:
        try:
            prepared.install()
            os.getppid()  # not on the list
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS):
        raise OSError(38, "the kernel does not keep the filter")
    _prepared.filter = prepared
