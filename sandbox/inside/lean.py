"""What the lean zygote's children are and do: run compiled code that needs few modules.

They have neither RestrictedPython nor most of the library, so less memory is copied for each. A child that misses
something says so and ends, and its program runs again in a child of the full zygote.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Sequence
from typing import Any

from sandbox.inside import (
    admission,
    attributes,
    caches,
    caught_errors,
    enums,
    facades,
    formatting,
    json_encoder,
    lockdown,
    methods,
    modules,
    static_types,
)
from sandbox.inside.report import Reporter
from sandbox.inside.run import make_ready, run_code, set_memory_aside


class Absent:
    """Takes the place of every finder in `sys.meta_path`: whatever is not imported by now is not here."""

    def __init__(self) -> None:
        self.reporter: Reporter | None = None

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """What the import system asks for."""
        self.leave(name)

    def leave(self, name: str) -> None:
        """End this child, if it has a job, so that another does it."""
        if self.reporter is not None:
            self.reporter.not_here()
            os._exit(0)


absent = Absent()


def admit() -> None:
    """Guard what is imported, and make the façades of the modules that programs may import here."""
    for name in modules.LEAN:
        facades.admitted[name] = facades.make_facade(name, admission.contents_of(name, {}))
    facades.put_into_packages()
    methods.guard_methods(admission.classes_behind(name for name in modules.ADMITTED if name in sys.modules))
    static_types.guard_static_types(caught_errors.harmless)
    caches.guard_caches()
    enums.guard_enums()
    formatting.guard_formatter(attributes.guarded_getattr)
    json_encoder.guard_json()
    admission.tell_guards()
    facades.look_elsewhere(absent.leave)


class LeanWork:
    """Run a program that has been compiled before."""

    rehearses = False  # it would gain less than looking for a job costs

    def __init__(self, *, guarded: bool) -> None:
        self._reporter = Reporter(lockdown.JOB_FD)
        self._namespace = make_ready(self._reporter, guarded=guarded)

    def rehearse(self) -> None:
        """Nothing."""

    def do(self, letter: bytes, job: tuple[Any, ...]) -> None:
        reporter = self._reporter
        code, _, source, function, args, kwargs, _, result_bytes, reporter.room = job
        absent.reporter = reporter
        loaded = marshal.loads(code)  # noqa: S302  (see sandbox/codes.py)
        run_code(loaded, source, function, (args, kwargs), result_bytes, reporter, self._namespace)


def warm_up(*, guarded: bool) -> None:
    """Do in the zygote what each child does first, until the interpreter has adapted its code to it."""
    reporter = Reporter(os.open(os.devnull, os.O_WRONLY))
    namespace = make_ready(reporter, guarded=guarded)
    code = compile(_WARM_UP, "<warm-up>", "exec", dont_inherit=True)
    for function in (b"f", b"g", b"h", b"f") * 8:
        run_code(code, _WARM_UP, function, (b"[]", b"{}"), 99, reporter, namespace)
    os.close(reporter.fd)
    set_memory_aside()
    lockdown.measure_address_space()
    sys.meta_path[:] = [absent]


_WARM_UP = b"""
class A:
    x: int = 1
def f():
    return 1
def g(*args):
    print('x', f'{1} {2!r}')
    return [A.x, str(1.5)]
def h():
    1 / 0
"""
