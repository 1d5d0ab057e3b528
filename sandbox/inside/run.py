"""Runs the compiled code of one program, and says what came of it."""

from __future__ import annotations

import builtins
import collections.abc
import enum
import functools
import io
import json
import mmap
import sys
import types
from typing import Any

from sandbox import protocol
from sandbox.inside import builtin_names, evaluation, facades, failure, guards, names, ownership
from sandbox.inside.definitions import definition_of
from sandbox.inside.report import Reporter

_RESERVE_BYTES = 262_144
_reserve: list[mmap.mmap] = []


class ResultError(Exception):
    """What the program returned can't be carried by JSON."""


class OutputLimitError(Exception):
    """What the program returned is too large."""


class CallError(Exception):
    """The function can't be called with the task's arguments."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


def make_ready(reporter: Reporter, *, guarded: bool) -> dict[str, Any]:
    """Once, in the zygote: what a program finds when it starts, and its namespace, which is returned.

    Each child serves one program and has copies of its own.
    """
    output = sys.stdout = sys.__stdout__ = Output(reporter)  # type: ignore[misc,assignment]
    sys.unraisablehook = functools.partial(_tell_ignored, output)
    if "warnings" in sys.modules:  # where there are coroutines, it is
        sys.modules["warnings"].showwarning = functools.partial(_tell_warning, output)  # type: ignore[attr-defined]
    if guarded:
        builtins.print = _print  # what calendar prints by: the one in C does not hold the sys.stdout that it writes to
    return _namespace(guarded=guarded)


def run_code(
    code: Any,
    source: bytes,
    function: bytes,
    arguments: tuple[bytes, bytes],
    result_bytes: int,
    reporter: Reporter,
    namespace: dict[str, Any],
) -> None:
    """Run, and report a result or a failure; nothing else comes out of here.

    source: what failures are told of. arguments: args and kwargs as JSON. namespace: as `make_ready` made it.
    """
    failure.source.set(source)
    try:
        result = _call(code, function.decode(), arguments, namespace)
        reporter.result(_as_json(result, result_bytes))
    except MemoryError:
        _give_reserve_back()
        reporter.failure("MemoryLimitError", "the program needed more memory than it may have")
    except SystemExit as stop:
        _report_exit(stop, reporter)
    except CallError as error:
        reporter.failure("TypeError", str(error), error.line, permanent=True)
    except BaseException as error:
        _give_reserve_back()
        _report(error, reporter)


def set_memory_aside() -> None:
    """Once, in the zygote: address space that a child gives back when it has run out, so that it can say so.

    Mapped by itself and never written to, so it takes no memory, and what is given back is room for the allocator.
    """
    _reserve.append(mmap.mmap(-1, _RESERVE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def _give_reserve_back() -> None:
    while _reserve:
        _reserve.pop().close()


def _call(code: Any, function: str, arguments: tuple[bytes, bytes], namespace: dict[str, Any]) -> Any:
    exec(code, namespace)  # noqa: S102  (what this process is for)
    name = normalized(function)
    if name not in namespace:
        raise NameError(f"the code defines no {name!r}")
    args, kwargs = arguments
    result = _called(
        namespace[name],
        [] if args == b"[]" else json.loads(args.decode()),
        {} if kwargs == b"{}" else json.loads(kwargs.decode()),
    )
    return facades.loaded("asyncio")["run"](result) if type(result) is types.CoroutineType else result


def normalized(name: str) -> str:
    """What the compiler makes of an identifier."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def _called(function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        definition = definition_of(function)
        if _has_not_begun(error, definition):
            line = None if definition is None else definition.__code__.co_firstlineno
            raise CallError(failure.message_of(error), line) from None
        raise


def _has_not_begun(error: TypeError, definition: types.FunctionType | None) -> bool:
    """Whether it was the call that failed: nothing of the program ran, or nothing but what is wrapped around it."""
    codes = failure.own_codes(error.__traceback__)
    if not codes or definition is None:
        return not codes
    return definition.__code__ not in codes and failure.message_of(error).startswith(f"{definition.__qualname__}() ")


@functools.cache
def _builtins() -> dict[str, Any]:
    """Made once, in the zygote: a child serves one program, and no program can reach the dict to change it."""
    made = guards.make_builtins(_print, facades.import_guarded) | evaluation.BUILTINS
    for name in builtin_names.REPLACED:
        if type(made[name]) is types.FunctionType and name != "quit":  # which is `exit`
            made[name].__name__ = made[name].__qualname__ = name  # what a wrong call is told with
    return made


def _namespace(*, guarded: bool) -> dict[str, Any]:
    module = types.ModuleType(names.MODULE)
    sys.modules[names.MODULE] = module  # dataclasses looks up where a class comes from
    namespace = vars(module)
    if guarded:
        namespace["__builtins__"] = _builtins()
    ownership.state.program = namespace
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


def _tell_ignored(output: Output, ignored: Any) -> None:
    """What nobody can catch, as an exception in `__del__`: Python writes it to standard error."""
    if ignored.exc_value is not None:
        output.write(f"Exception ignored:\n{failure.text_of(ignored.exc_value)}\n")


def _tell_warning(output: Output, message: Any, category: Any, filename: str, lineno: int, *_: Any, **__: Any) -> None:
    """Of what Python warns of by itself, that a coroutine was never awaited: nothing else says so."""
    if category is RuntimeWarning:
        place = f"{filename}:{lineno}: " if filename == names.FILENAME else ""
        output.write(f"{place}RuntimeWarning: {message}\n")


def _print(*values: Any, sep: Any = " ", end: Any = "\n", file: Any = None, flush: Any = False) -> None:
    """print(), in one piece."""
    between = " " if sep is None else sep
    last = "\n" if end is None else end
    if not isinstance(between, str) or not isinstance(last, str):
        raise TypeError("sep and end must be strings")
    text = between.join([value if type(value) is str else str(value) for value in values]) + last
    target = sys.stdout if file is None else file
    if target is None:
        return
    target.write(text)
    if flush:
        target.flush()


def _as_json(result: Any, max_bytes: int) -> bytes:
    """The result as JSON. Raises ResultError, OutputLimitError."""
    try:
        text = str(result) if type(result) is int else _encode(result)
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
        raise ResultError(_type_error(str(error))) from None
    if len(data) > max_bytes:
        raise OutputLimitError(f"the result has {len(data)} bytes as JSON; at most {max_bytes} are kept")
    if len(data) > protocol.MAX_RESULT_DEPTH and _is_too_deep(data):
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
    return failure.followable(message)


def _type_error(message: str) -> str:
    return f"{message}: return a dict with str(key) for each key" if message.startswith("keys must be ") else message


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
    "bytearray": "return x.decode() or base64.b64encode(x).decode()",
    "memoryview": "return x.tobytes().decode() or base64.b64encode(x).decode()",
    "async_generator": "return [each async for each in x]",
    "coroutine": "await it",
    "SimpleNamespace": "return vars(x)",
    "UserString": "return str(x)",
    "StringIO": "return x.getvalue()",
    "BytesIO": "return base64.b64encode(x.getvalue()).decode()",
    "mappingproxy": "return dict(x)",
}


def _refuse(value: Any) -> Any:
    name = "class" if ownership.is_class(value) else str.__str__(type(value).__name__)
    article = "an" if name[0] in "AEIOaeio" else "a"
    raise ResultError(f"{article} {name} can't be returned as JSON: {_ADVICE.get(name) or _advice(value)}")


def _advice(value: Any) -> str:
    kind = type(value)
    if issubclass(type(kind), enum.EnumMeta):
        return "return x.value"
    if "__dataclass_fields__" in vars(kind):
        return "return dataclasses.asdict(x)"
    if collections.abc.Mapping in type.mro(kind):
        return "return dict(x)"
    if any("__iter__" in vars(each) for each in type.mro(kind)) and not ownership.is_class(value):
        return "return list(x)"
    return "return a dict, list, string, number, boolean or None"


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse).encode
_code_of: Any = SystemExit.__dict__["code"].__get__


def _report_exit(stop: SystemExit, reporter: Reporter) -> None:
    """`exit()` and `exit(0)` are a success without a result; any other code is a failure that a retry would repeat."""
    code = _code_of(stop)
    if code is None or (type(code) in (int, bool) and code == 0):
        reporter.result(b"null")
    else:
        _report(stop, reporter, permanent=True)


def _report(error: BaseException, reporter: Reporter, *, permanent: bool = False) -> None:
    kind, message, line = failure.kind_of(error), failure.message_of(error), failure.line_of(error)
    reporter.failure(kind, message, line, failure.traceback_of(error), permanent=permanent)
