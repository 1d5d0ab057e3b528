"""What a child of the full zygote does: compile, run, check."""

from __future__ import annotations

import ast
import gc
import json
import marshal
import os
from typing import Any

from sandbox import protocol
from sandbox.inside import invocation, lockdown, needs, policy, signatures
from sandbox.inside.report import Reporter
from sandbox.inside.run import make_ready, normalized, run_code, set_memory_aside

_REHEARSAL = json.dumps({"source": "def f():\n    return 1"})


def warm_up(*, guarded: bool) -> None:
    """Do once in the zygote what every child would do first: imports that happen late, caches, measurements."""
    reporter = Reporter(os.open(os.devnull, os.O_WRONLY))
    namespace = make_ready(reporter, guarded=guarded)
    for source in (_WARM_UP, b"def f():\n    1/0"):
        compile_and_run(source, True, (b"f", (b"[]", b"{}"), 1000), reporter, namespace, guarded=guarded)
    os.close(reporter.fd)
    set_memory_aside()
    lockdown.measure_address_space()


_WARM_UP = """
import time, datetime
datetime.datetime.strptime('2026', '%Y')
time.strptime('2026', '%Y')
class A:
    x: int = 1
def f():
    print('x', '{} {!r}'.format(1, 'é'))
    return [A.x, str(1.5), 'ä'.encode('idna')]
""".encode()


class FullWork:
    """Whatever is asked for: run a program, compiled here or before, or check one."""

    rehearses = True

    def __init__(self, *, guarded: bool) -> None:
        self._guarded = guarded
        self._reporter = Reporter(lockdown.JOB_FD)
        self._namespace = make_ready(self._reporter, guarded=guarded)

    def rehearse(self) -> None:
        """Read and compile a small program."""
        policy.compile_program(json.loads(_REHEARSAL)["source"], guarded=self._guarded)

    def do(self, letter: bytes, job: tuple[Any, ...]) -> None:
        if letter == protocol.CHECK:
            _check(*job)
            return
        code, is_wanted, source, function, args, kwargs, context, result_bytes, self._reporter.room = job
        invocation.current.text = context
        call = (function, (args, kwargs), result_bytes)
        if code:
            run_code(marshal.loads(code), source, *call, self._reporter, self._namespace)  # noqa: S302  (codes.py)
        else:
            compile_and_run(source, is_wanted, call, self._reporter, self._namespace, guarded=self._guarded)


def compile_and_run(
    source: bytes,
    is_wanted: bool,
    call: tuple[bytes, tuple[bytes, bytes], int],
    reporter: Reporter,
    namespace: dict[str, Any],
    *,
    guarded: bool,
) -> None:
    """Report a result, a failure, or what is wrong with the source; before the program starts, its code if wanted."""
    code, found = policy.compile_program(_text(source), guarded=guarded)
    if found:
        first = found[0]
        reporter.failure(first.type, first.message, first.line)
        return
    if is_wanted:
        mark = protocol.FITS_LEAN if needs.fits_lean(code) else protocol.NEEDS_FULL
        reporter.code(mark, marshal.dumps(code))
    run_code(code, source, *call, reporter, namespace)


def _text(source: bytes) -> str:
    return source.decode("utf-8", "surrogatepass")


def _problems_of_function(tree: ast.Module, function: str, call: tuple[int, list[str]] | None) -> list[policy.Found]:
    name = normalized(function)
    if not policy.binds(tree, name):
        return [policy.Found("NameError", f"the code defines no {name!r} at its top level")]
    wrong = None if call is None else signatures.problem_of_call(tree, name, *call)
    return [] if wrong is None else [wrong]


def _check(encoded: bytes, function: bytes, call: tuple[int, list[str]] | None) -> None:
    """Compile, and list what is wrong."""
    gc.disable()  # a tree has no cycles, and looking for them takes half of the time
    source = _text(encoded)
    _, found = policy.compile_program(source, guarded=True)
    if not found:
        found = _problems_of_function(policy.parse(source), _text(function), call)
    problems = [
        {"type": each.type, "message": each.message, "line": each.line, "column": each.column} for each in found
    ]
    Reporter(lockdown.JOB_FD).result(json.dumps(problems).encode())
