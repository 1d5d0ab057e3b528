"""How a child gives up the rest of its rights: a list of calls in order."""

from __future__ import annotations

import functools
import os
import resource
import signal
from dataclasses import dataclass

from sandbox.inside import landlock, seccomp, system

JOB_FD = 3
#: The zygote has no descriptor from this number on, so a child inherits none that it does not close.
MAX_FDS = 1024


@dataclass(slots=True)
class _Prepared:
    """What the zygote has found to work, and holds ready for its children."""

    scope_fd: int | None = None
    has_limits: bool = False
    has_seccomp: bool = False
    address_space_bytes: int = 268_435_456


_prepared = _Prepared()


def lock_down(job_fd: int, memory_bytes: int, cpu_seconds: int | None) -> None:
    """From here on, the process can compute and use its one socket, and nothing else."""
    system.die_with_parent()  # without a process namespace, nothing else would end a busy program with its zygote
    os.setsid()
    if _prepared.scope_fd is not None:
        landlock.enter_scope(_prepared.scope_fd)
    _keep_only(job_fd)
    if _prepared.has_limits:
        _limit(memory_bytes, cpu_seconds)
    if _prepared.has_seccomp:
        seccomp.install(_filter())


def _keep_only(job_fd: int) -> None:
    """No descriptor but the job's socket (and /dev/null as 0, 1, 2)."""
    os.dup2(1, 2)  # the zygote keeps its parent's stderr, to say why it could not start
    if job_fd != JOB_FD:
        os.dup2(job_fd, JOB_FD, inheritable=False)
    os.closerange(JOB_FD + 1, MAX_FDS)


def _limit(memory_bytes: int, cpu_seconds: int | None) -> None:
    at_most(resource.RLIMIT_AS, memory_bytes + _prepared.address_space_bytes)
    at_most(resource.RLIMIT_NOFILE, 0)  # those that are open stay; no file, socket or pipe can be opened ever again
    at_most(resource.RLIMIT_FSIZE, 0)
    at_most(resource.RLIMIT_NPROC, 0)
    at_most(resource.RLIMIT_CORE, 0)
    if cpu_seconds is not None:
        at_most(resource.RLIMIT_CPU, cpu_seconds)


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


def prepare_limits() -> None:
    """Have each child set its limits."""
    _prepared.has_limits = True


def prepare_scope() -> None:
    """Keep this process, and each child by itself, from signalling anyone. Raises OSError, NotImplementedError."""
    ruleset = landlock.make_scope()
    landlock.enter_scope(ruleset)
    _prepared.scope_fd = ruleset


@functools.cache
def _filter() -> bytes:
    return seccomp.program(system.MACHINE)


def probe_seccomp() -> None:
    """Install the filter in a process made for this, and check that an unlisted call kills it. Raises OSError."""
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    _filter()
    pid = os.fork()
    if pid == 0:
        try:
            seccomp.install(_filter())
            os.getppid()  # not on the list
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS):
        raise OSError(38, "the kernel does not keep the filter")
    _prepared.has_seccomp = True
