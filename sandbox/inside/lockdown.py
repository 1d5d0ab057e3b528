"""How a child gives up what it still has: a list of calls in order."""

from __future__ import annotations

import functools
import os
import resource
import signal

from sandbox.inside import seccomp, system

JOB_FD = 3
#: The zygote has no descriptor beyond this number, so no child inherits one that it does not close.
MAX_FDS = 1024


def lock_down(job_fd: int, memory_bytes: int, cpu_seconds: int | None) -> None:
    """From here on the process can compute, and write to its one socket."""
    os.setsid()
    _keep_only(job_fd)
    _limit(memory_bytes, cpu_seconds)
    if _seccomp_works():
        seccomp.install(_filter())


def _keep_only(job_fd: int) -> None:
    """No descriptor but the job's socket (and /dev/null as 0, 1, 2)."""
    os.dup2(1, 2)  # the zygote keeps its parent's, to say why it could not start
    if job_fd != JOB_FD:
        os.dup2(job_fd, JOB_FD, inheritable=False)
    os.closerange(JOB_FD + 1, MAX_FDS)


def _limit(memory_bytes: int, cpu_seconds: int | None) -> None:
    memory = memory_bytes + _address_space_bytes()
    at_most(resource.RLIMIT_AS, memory)
    at_most(resource.RLIMIT_NOFILE, JOB_FD + 1)
    at_most(resource.RLIMIT_FSIZE, 0)
    at_most(resource.RLIMIT_NPROC, 0)
    at_most(resource.RLIMIT_CORE, 0)
    if cpu_seconds is not None:
        at_most(resource.RLIMIT_CPU, cpu_seconds)


def at_most(limit: int, value: int) -> None:
    """Lower a limit for good, where it is higher."""
    _, hard = resource.getrlimit(limit)
    if hard == resource.RLIM_INFINITY or hard > value:
        resource.setrlimit(limit, (value, value))


_size_bytes = 0


def measure_address_space() -> None:
    """What the zygote has mapped, measured while /proc can still be read: a child's limit comes on top of it."""
    global _size_bytes
    if system.LINUX:
        with open("/proc/self/statm") as statm:
            _size_bytes = int(statm.read().split()[0]) * resource.getpagesize()


def _address_space_bytes() -> int:
    return _size_bytes or 268_435_456


@functools.cache
def _filter() -> bytes:
    return seccomp.program(system.MACHINE)


_seccomp_state: dict[str, bool] = {}


def _seccomp_works() -> bool:
    return _seccomp_state.get("works", False)


def probe_seccomp() -> None:
    """Put the filter on a process made for this, and see that a call not on the list kills it. Raises OSError."""
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
    _seccomp_state["works"] = True
