"""Runs one program under the policy, and says what came of it."""

from __future__ import annotations

import functools
import io
import json
import mmap
import sys
import types
from types import TracebackType
from typing import Any

from sandbox import protocol
from sandbox.inside import evaluation, facades, guards, policy
from sandbox.inside.report import Reporter

_MAX_FRAMES = 50
_RESERVE_BYTES = 262_144
_reserve: list[mmap.mmap] = []


class ResultError(Exception):
    """What the program returned can't be carried by JSON."""


class OutputLimitError(Exception):
    """What the program returned is too large."""


def run_program(job: dict[str, Any], reporter: Reporter, *, guarded: bool) -> None:
    """Compile, run, and report a result or a failure; nothing else comes out of here."""
    source = job["source"]
    code, found = policy.compile_program(source, guarded=guarded)
    if found:
        first = found[0]
        reporter.failure(first.type, first.message, first.line)
        return
    try:
        result = _call(code, job, reporter, guarded=guarded)
        reporter.result(_as_json(result, job["result_bytes"]))
    except MemoryError:
        _give_reserve_back()
        reporter.failure("MemoryLimitError", "the program needed more memory than it may have")
    except BaseException as error:
        _give_reserve_back()
        _report_exception(error, source, reporter)


def set_memory_aside() -> None:
    """Once, in the zygote: address space that a child gives back when it has run out, so that it can say so.

    Mapped by itself and never written to, so it takes no memory, and what is given back is room for the allocator.
    """
    _reserve.append(mmap.mmap(-1, _RESERVE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def _give_reserve_back() -> None:
    while _reserve:
        _reserve.pop().close()


def _call(code: Any, job: dict[str, Any], reporter: Reporter, *, guarded: bool) -> Any:
    sys.stdout = Output(reporter)
    namespace = _namespace(guarded=guarded)
    exec(code, namespace)  # noqa: S102  (what this process is for)
    name = job["function"]
    if name not in namespace:
        raise NameError(f"the code defines no {name!r}")
    return namespace[name](*json.loads(job["args"]), **json.loads(job["kwargs"]))


@functools.cache
def _builtins() -> dict[str, Any]:
    """Made once, in the zygote: a child serves one program, and no program can reach the dict to change it."""
    return guards.make_builtins(_print, facades.import_guarded) | evaluation.BUILTINS


def _namespace(*, guarded: bool) -> dict[str, Any]:
    module = types.ModuleType(guards.MODULE)
    sys.modules[guards.MODULE] = module  # dataclasses looks up where a class comes from
    namespace = vars(module)
    if guarded:
        namespace["__builtins__"] = _builtins()
    guards.state.program = namespace
    return namespace


class Output(io.TextIOBase):
    """The program's sys.stdout, also for what the library prints."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._send = reporter.output

    def write(self, text: str) -> int:
        """At once: it must be there even if the program never ends."""
        self._send(str.__str__(text))
        return len(text)


def _print(*values: Any, sep: Any = " ", end: Any = "\n", file: Any = None, flush: Any = False) -> None:
    """print(), in one piece."""
    between = " " if sep is None else sep
    last = "\n" if end is None else end
    if not isinstance(between, str) or not isinstance(last, str):
        raise TypeError("sep and end must be strings")
    text = between.join([value if type(value) is str else str(value) for value in values]) + last
    (sys.stdout if file is None else file).write(text)


def _as_json(result: Any, max_bytes: int) -> bytes:
    """The result as JSON. Raises ResultError, OutputLimitError."""
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse)
        data = text.encode()
    except UnicodeEncodeError:
        raise ResultError("a string of the result holds half of a surrogate pair, which is no UTF-8") from None
    except RecursionError:
        raise ResultError("the result is nested too deeply") from None
    except MemoryError:
        raise OutputLimitError("the result is too large to be written as JSON") from None
    except ValueError as error:
        raise ResultError(_value_error(str(error))) from None
    except TypeError as error:
        raise ResultError(str(error)) from None
    if len(data) > max_bytes:
        raise OutputLimitError(f"the result has {len(data)} bytes as JSON; at most {max_bytes} are kept")
    if _is_too_deep(data):
        raise ResultError(f"the result is nested too deeply: at most {protocol.MAX_RESULT_DEPTH} levels are kept")
    return data


def _is_too_deep(data: bytes) -> bool:
    """It is read again only where it may be."""
    try:
        return protocol.may_be_too_deep(data) and protocol.is_too_deep(data, json.loads(data))
    except RecursionError:
        return True


def _value_error(message: str) -> str:
    if "Circular" in message:
        return "the result contains itself"
    if "JSON compliant" in message:
        return "the result holds NaN or an infinity, which JSON has not: return None or a string instead"
    return message


_ADVICE = {
    "set": "return sorted(x) or list(x)",
    "frozenset": "return sorted(x) or list(x)",
    "datetime": "return x.isoformat()",
    "date": "return x.isoformat()",
    "time": "return x.isoformat()",
    "timedelta": "return x.total_seconds()",
    "Decimal": "return str(x) or float(x)",
    "Fraction": "return str(x) or float(x)",
    "bytes": "return x.decode() or base64.b64encode(x).decode()",
    "UUID": "return str(x)",
    "complex": "return [x.real, x.imag]",
    "generator": "return list(x)",
}


def _refuse(value: Any) -> Any:
    name = type(value).__name__
    advice = _ADVICE.get(name, "return a dict, list, string, number, boolean or None")
    raise ResultError(f"a {name} can't be returned as JSON: {advice}")


def _report_exception(error: BaseException, source: str, reporter: Reporter) -> None:
    lines = source.splitlines()
    frames = _own_frames(error.__traceback__)
    line = frames[-1][0] if frames else None
    trace = "\n".join(_frame_text(number, function, lines) for number, function in frames) or None
    kind, message = _kind(error), _message(error)
    if trace is not None:
        trace = f"Traceback (most recent call last):\n{trace}\n{kind}: {message}"
    reporter.failure(kind, message, line, trace)


def _own_frames(traceback: TracebackType | None) -> list[tuple[int, str]]:
    """(line, function) of the frames of the program's own source, the outermost first, the last of them."""
    found: list[tuple[int, str]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == policy.FILENAME:
            found.append((traceback.tb_lineno, code.co_name))
            del found[:-_MAX_FRAMES]
        traceback = traceback.tb_next
    return found


def _frame_text(number: int, function: str, lines: list[str]) -> str:
    text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return f'  File "<task>", line {number}, in {function}\n    {text[:500]}'


def _kind(error: BaseException) -> str:
    return "MemoryLimitError" if isinstance(error, MemoryError) else str(type(error).__name__)


def _message(error: BaseException) -> str:
    """str(error), as far as the program's own __str__ gives one."""
    try:
        return str(error)
    except BaseException as second:
        return f"(its message could not be had: {type(second).__name__})"
