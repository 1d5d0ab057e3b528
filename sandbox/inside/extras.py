"""Modules that programs get from us rather than from the library: name -> what is in them.

The library's own lead out (`sys`, `traceback`), write files (`logging`), or need what a child may not have (`asyncio`).
"""

from __future__ import annotations

import ast
import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from typing import Any

from sandbox.inside import coroutines, failure, invocation, logs, trees


class StandardStream:
    """`sys.stdout` and `sys.stderr` of a program: both are what it prints."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def write(self, text: str) -> int:
        """Print, without a line's end."""
        written: int = sys.stdout.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        """Print each."""
        for each in lines:
            sys.stdout.write(each)

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        """No."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True


_stream = StandardStream()


def _exit(status: Any = None, /) -> None:
    raise SystemExit(status)


def literal_eval(node_or_string: Any) -> Any:
    """ast.literal_eval, of a string."""
    if not issubclass(type(node_or_string), str):
        raise TypeError("literal_eval() takes a string in the sandbox")
    return ast.literal_eval(str.__str__(node_or_string))


def format_exc(limit: Any = None, chain: bool = True) -> str:
    """traceback.format_exc, of the program's own lines."""
    error = sys.exc_info()[1]
    return "NoneType: None\n" if error is None else failure.text_of(error) + "\n"


def print_exc(limit: Any = None, file: Any = None, chain: bool = True) -> None:
    """traceback.print_exc, to what the program prints."""
    (sys.stdout if file is None else file).write(format_exc())


def format_exception(exc: Any, /, value: Any = None, *_: Any, **__: Any) -> list[str]:
    """traceback.format_exception, of the program's own lines."""
    error = value if issubclass(type(value), BaseException) else exc
    return [f"{line}\n" for line in failure.text_of(error).split("\n")]


def print_exception(exc: Any, /, value: Any = None, *_: Any, **__: Any) -> None:
    """traceback.print_exception, to what the program prints."""
    sys.stdout.write("".join(format_exception(exc, value)))


def format_exception_only(exc: Any, /, value: Any = None, **_: Any) -> list[str]:
    """traceback.format_exception_only."""
    error = value if issubclass(type(value), BaseException) else exc
    message = failure.message_of(error)
    return [f"{failure.kind_of(error)}: {message}\n" if message else f"{failure.kind_of(error)}\n"]


def _bytes_only(function: Callable[..., bytes]) -> Callable[..., bytes]:
    """Of bytes that nobody can change meanwhile."""

    def call(data: Any, *args: Any, **kwargs: Any) -> bytes:
        return function(bytes(data), *args, **kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    return call


#: Made in each child when first imported, because they say what differs from run to run.
LATE: dict[str, Callable[[], dict[str, Any]]] = {"celeriac": invocation.contents}

_elements = trees.load()

MODULES: dict[str, dict[str, Any]] = {
    "ast": {"literal_eval": literal_eval},
    "asyncio": coroutines.NAMES,
    "bz2": {"compress": _bytes_only(bz2.compress), "decompress": _bytes_only(bz2.decompress)},
    "celeriac": dict.fromkeys(invocation.NAMES),
    "gzip": {
        "compress": _bytes_only(gzip.compress),
        "decompress": _bytes_only(gzip.decompress),
        "BadGzipFile": gzip.BadGzipFile,
    },
    "logging": logs.NAMES,
    "lzma": {
        "compress": _bytes_only(lzma.compress),
        "decompress": _bytes_only(lzma.decompress),
        "LZMAError": lzma.LZMAError,
        **{name: getattr(lzma, name) for name in dir(lzma) if name.startswith(("FORMAT_", "CHECK_", "PRESET_"))},
    },
    "sys": {
        "stdout": _stream,
        "stderr": _stream,
        "maxsize": sys.maxsize,
        "version_info": sys.version_info,
        "exit": _exit,
    },
    "traceback": {
        each.__name__: each
        for each in (format_exc, print_exc, format_exception, print_exception, format_exception_only)
    },
    "xml": {},
    "xml.etree": {},
    "xml.etree.ElementTree": {name: getattr(_elements, name) for name in trees.NAMES},
}

#: Classes of these modules. Their methods are for their own instances only.
CLASSES: list[type] = [
    StandardStream,
    *(
        each
        for module in (coroutines, logs, _elements)
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    ),
]
SUBCLASSABLE = [logs.Formatter, logs.Handler, logs.NullHandler]
WRITABLE = [_elements.Element, logs.Logger, logs.Handler, logs.LogRecord, logs.Formatter]
