"""A child's life: lock down, take one job, answer, end."""

from __future__ import annotations

import ast
import gc
import json
import os
import select
import unicodedata
from typing import Any

from sandbox import protocol
from sandbox.inside import lockdown, policy, signatures
from sandbox.inside.report import Reporter
from sandbox.inside.run import run_program, set_memory_aside

_CHUNK_BYTES = 65_536
#: A busy sandbox uses its children up faster than this, and has no processor time to give away.
_REHEARSE_AFTER_MS = 15
_REHEARSAL = json.dumps({"source": "def f():\n    return 1"})


def warm_up(*, guarded: bool) -> None:
    """Do once in the zygote what every child would do first: imports that happen late, caches, measurements."""
    reporter = Reporter(os.open(os.devnull, os.O_WRONLY), stdout_bytes=1000)
    job = {
        "source": "import time, datetime\n"
        "datetime.datetime.strptime('2026', '%Y')\ntime.strptime('2026', '%Y')\n"
        "class A:\n    x: int = 1\n"
        "def f():\n    print('x', '{} {!r}'.format(1, 'é'))\n    return [A.x, str(1.5), 'ä'.encode('idna')]\n",
        "function": "f",
        "args": "[]",
        "kwargs": "{}",
        "result_bytes": 1000,
    }
    run_program(job, reporter, guarded=guarded)
    run_program({**job, "source": "def f():\n    1/0"}, reporter, guarded=guarded)
    os.close(reporter.fd)
    set_memory_aside()
    lockdown.measure_address_space()


def main(job_fd: int, memory_bytes: int, cpu_seconds: int | None, *, guarded: bool) -> None:
    """Everything, from the fork to the last word."""
    lockdown.lock_down(job_fd, memory_bytes, cpu_seconds)
    if not _job_comes_soon():
        _rehearse(guarded=guarded)
    job = _receive_job()
    if job is None:
        return
    if job["do"] == "check":
        _check(job)
        return
    reporter = Reporter(lockdown.JOB_FD, job["stdout_bytes"])
    run_program(job, reporter, guarded=guarded)


def _job_comes_soon() -> bool:
    """Whether the job is there already, or comes so soon that a rehearsal would cost it more than it saves."""
    # Not poll(): the kernel refuses it to a process that may open no descriptor.
    return bool(select.select([lockdown.JOB_FD], [], [], _REHEARSE_AFTER_MS / 1000)[0])


def _rehearse(*, guarded: bool) -> None:
    """Read and compile a small program, for nothing: the memory that it touches is this child's own from then on.

    A forked page is copied when it is first written to, and Python writes to whatever it looks at. That took most
    of a small program's time; the greater part has happened now before the job comes. The rest is left, because a
    page that has been copied is no longer shared, and counts as memory of a child that only waits.
    """
    policy.compile_program(json.loads(_REHEARSAL)["source"], guarded=guarded)


def _receive_job() -> dict[str, Any] | None:
    """The one job; None where the parent has no use for this child any more."""
    frames = protocol.Frames(protocol.MAX_JOB_BYTES)
    while True:
        data = os.read(lockdown.JOB_FD, _CHUNK_BYTES)
        if not data:
            return None
        for _, payload in frames.feed(data):
            job: dict[str, Any] = json.loads(payload)
            return job


def _problems_of_function(tree: ast.Module, function: str, call: tuple[int, list[str]] | None) -> list[policy.Found]:
    name = unicodedata.normalize("NFKC", function)  # as the compiler does with identifiers
    if not policy.binds(tree, name):
        return [policy.Found("NameError", f"the code defines no {name!r} at its top level")]
    wrong = None if call is None else signatures.problem_of_call(tree, name, *call)
    return [] if wrong is None else [wrong]


def _check(job: dict[str, Any]) -> None:
    """Compile, and list what is wrong."""
    gc.disable()  # a tree has no cycles, and looking for them takes half of the time
    _, found = policy.compile_program(job["source"], guarded=True)
    if not found:
        found = _problems_of_function(policy.parse(job["source"]), job["function"], job["call"])
    problems = [
        {"type": each.type, "message": each.message, "line": each.line, "column": each.column} for each in found
    ]
    Reporter(lockdown.JOB_FD, 0).result(json.dumps(problems).encode())
