"""The zygote: imports what programs may use, locks itself in, and forks a child on each request.

Started by file path: `python -I zygote.py CONTROL_FD [--module=NAME]… [--without=LAYER]… [--unguarded] [--lean]`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.machinery
import importlib.util
import marshal
import os
import signal
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.inside import life


def prepare_imports(*, lean: bool = False) -> None:
    """Make `sandbox.inside.…` importable without running sandbox/__init__.py, which is the parent's."""
    package = types.ModuleType("sandbox")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]
    sys.modules["sandbox"] = package
    if lean:
        importlib.machinery.SourceFileLoader.source_to_code = _compiled_elsewhere  # type: ignore[assignment,method-assign]
    else:
        _import_zones()
        _lay_out_restricted_python()


def _compiled_elsewhere(_: object, source: bytes, path: str) -> types.CodeType:
    """Compile a module in a process of its own: what the compiler needs in passing would stay with the zygote."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with open(writing, "wb") as result:
                result.write(marshal.dumps(compile(source, path, "exec", dont_inherit=True)))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as result:
        compiled = result.read()
    os.waitpid(pid, 0)
    code: types.CodeType = marshal.loads(compiled)  # noqa: S302  (our own)
    return code


def _import_zones() -> None:
    os.environ["PYTHONTZPATH"] = ""  # otherwise zoneinfo loads the interpreter's build variables for nothing
    import zoneinfo  # noqa: F401

    del os.environ["PYTHONTZPATH"]


def _lay_out_restricted_python() -> None:
    """Make its transformer importable without the rest of it, such as builtins and guards that no program gets."""
    spec = importlib.util.find_spec("RestrictedPython")
    if spec is not None:
        sys.modules["RestrictedPython"] = importlib.util.module_from_spec(spec)


def _values(arguments: list[str], option: str) -> list[str]:
    return [argument.removeprefix(option) for argument in arguments if argument.startswith(option)]


def policy_version(options: list[str]) -> str:
    """A text that differs where compiled code may: by the Python, our files, RestrictedPython's, and the options."""
    folders = [os.path.dirname(os.path.realpath(__file__))]
    spec = importlib.util.find_spec("RestrictedPython")
    folders += [] if spec is None else spec.submodule_search_locations or []
    files = sorted(each.path for folder in folders for each in os.scandir(folder) if each.name.endswith(".py"))
    digest = importlib.util.source_hash(b"".join(_content(path) for path in files))
    return " ".join([sys.version, digest.hex(), *[each for each in options if each != "--lean"]])


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def main(arguments: list[str]) -> None:
    """Import, lock in, serve."""
    gc.disable()  # nearly all that is made until the end of the start stays: to look for garbage once is enough
    lean = "--lean" in arguments
    prepare_imports(lean=lean)
    # Python's handler would raise KeyboardInterrupt in a program, as if that had failed by itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sandbox.inside import confine, forking, life, system

    # At a low number: a parent with many open files may have passed one that a child does not close.
    control = forking.take_control(int(arguments[0]))
    version = policy_version(arguments[1:])
    work = _make_lean(arguments) if lean else _make_full(arguments)
    gc.collect()
    system.trim_memory()
    gc.freeze()  # a collection writes to every object it visits; frozen objects stay shared between processes
    layers = confine.confine_process(_values(arguments, "--without="))
    gc.freeze()
    gc.enable()
    with contextlib.suppress(OSError):  # the parent is gone
        fork = system.fork if lean else os.fork  # the full library has modules that must know of it, like random
        forking.Zygote(control, functools.partial(life.live, work=work), fork).serve(layers, version)


def _make_full(arguments: list[str]) -> life.Work:
    from sandbox.inside import child, library

    guarded = "--unguarded" not in arguments
    library.admit(_values(arguments, "--module="))
    child.warm_up(guarded=guarded)
    return child.FullWork(guarded=guarded)


def _make_lean(arguments: list[str]) -> life.Work:
    from sandbox.inside import lean

    guarded = "--unguarded" not in arguments
    lean.admit()
    lean.warm_up(guarded=guarded)
    return lean.LeanWork(guarded=guarded)


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # the interpreter need not be taken apart, for which much of its memory would be copied first
