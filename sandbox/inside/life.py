"""A child's life: lock down, take one job, do it, end."""

from __future__ import annotations

import marshal
import os
import select
from typing import Any, Protocol

from sandbox import protocol
from sandbox.inside import lockdown

#: Most jobs fit; the memory for more would be new to the process.
_CHUNK_BYTES = 8_192
#: A busy sandbox uses its children up faster than this, and has no processor time to give away.
_REHEARSE_AFTER_SECONDS = 0.015
_JOB_FDS, _NONE = [lockdown.JOB_FD], ()


class Work(Protocol):
    """What the children of a zygote can do. rehearses: whether they do something first, if there is time."""

    rehearses: bool

    def rehearse(self) -> None:
        """Do something small, for nothing: the memory that it touches is this child's own from then on.

        A forked page is copied when it is first written to, and Python writes to whatever it looks at. That took most
        of a small program's time; the greater part has happened now before the job comes. The rest is left, because a
        page that has been copied is no longer shared, and counts as memory of a child that only waits.
        """

    def do(self, letter: bytes, job: tuple[Any, ...]) -> None:
        """The one job, as in protocol.py."""


def live(job_fd: int, memory_bytes: int, cpu_seconds: int | None, work: Work) -> None:
    """Everything, from the fork to the last word."""
    lockdown.lock_down(job_fd, memory_bytes, cpu_seconds)
    if work.rehearses and not _job_comes_soon():
        work.rehearse()
    received = _receive_job()
    if received is not None:
        work.do(*received)


def _job_comes_soon() -> bool:
    """Whether the job is there already, or comes so soon that a rehearsal would cost it more than it saves."""
    # Not poll(): the kernel refuses it to a process that may open no descriptor.
    return bool(select.select(_JOB_FDS, _NONE, _NONE, _REHEARSE_AFTER_SECONDS)[0])


def _receive_job() -> tuple[bytes, tuple[Any, ...]] | None:
    """The one job; None where the parent has no use for this child any more."""
    data = os.read(lockdown.JOB_FD, _CHUNK_BYTES)
    if not data:
        return None
    letter, length = protocol.HEADER.unpack_from(data)
    end = protocol.HEADER.size + length
    if len(data) < end:
        whole = bytearray(data)
        while len(whole) < end and (more := os.read(lockdown.JOB_FD, end - len(whole))):
            whole += more
        data = bytes(whole)
    return letter, marshal.loads(data[protocol.HEADER.size :])  # noqa: S302  (the parent's own)
