"""A child's life: lock down, take one job, answer, end."""

from __future__ import annotations

import json
import os
from typing import Any

from sandbox import protocol
from sandbox.inside import lockdown, modules, policy
from sandbox.inside.report import Reporter
from sandbox.inside.run import run_program

_CHUNK_BYTES = 65_536


def warm_up(*, guarded: bool) -> None:
    """Do once in the zygote what every child would do first: imports that happen late, caches, measurements."""
    lockdown.measure_address_space()
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


def main(job_fd: int, memory_bytes: int, cpu_seconds: int | None, *, guarded: bool) -> None:
    """Everything, from the fork to the last word."""
    lockdown.lock_down(job_fd, memory_bytes, cpu_seconds)
    job = _receive_job()
    if job is None:
        return
    if job["do"] == "check":
        _check(job)
        return
    modules.reseed()
    reporter = Reporter(lockdown.JOB_FD, job["stdout_bytes"])
    run_program(job, reporter, guarded=guarded)


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


def _check(job: dict[str, Any]) -> None:
    """Compile, and list what is wrong."""
    _, found = policy.compile_program(job["source"], guarded=True)
    if not found and not policy.binds(job["source"], job["function"]):
        message = f"the code defines no {job['function']!r} at its top level"
        found = [policy.Found("NameError", message)]
    problems = [
        {"type": each.type, "message": each.message, "line": each.line, "column": each.column} for each in found
    ]
    Reporter(lockdown.JOB_FD, 0).result(json.dumps(problems).encode())
