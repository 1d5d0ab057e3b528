"""Modules that programs get from us rather than from the library, and modules that few programs need.

The library's own lead out (`sys`, `traceback`), write files (`logging`), or need what a child may not have (`asyncio`).
What is large is imported by the child that needs it (`LATE`); until then its façade holds names only.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.inside import caught_errors, failure, invocation, methods, modules, ownership
from sandbox.inside.shelf import shelf
from sandbox.inside.words import words


class StandardStream:
    """`sys.stdout` and `sys.stderr` of a program: both are what it prints."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def write(self, text: str) -> int:
        """Print, without a line's end."""
        failure.tell(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Print each."""
        for each in lines:
            failure.tell(each)

    def flush(self) -> None:
        """Nothing waits."""

    def reconfigure(self, **_: Any) -> None:
        """What programs do to get UTF-8, which this is."""

    def isatty(self) -> bool:
        """No."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True


_stream = StandardStream()


def _exit(status: Any = None, /) -> None:
    raise SystemExit(status)


_exit.__name__ = _exit.__qualname__ = "exit"


def literal_eval(node_or_string: Any) -> Any:
    """ast.literal_eval, of a string."""
    if not issubclass(type(node_or_string), str):
        raise TypeError("literal_eval() takes a string in the sandbox")
    return ast.literal_eval(str.__str__(node_or_string))


def _error(exc: Any, value: Any = None) -> BaseException:
    found = exc if value is None else value
    if not issubclass(type(found), BaseException):
        raise TypeError(f"an exception is needed, not {type(found).__name__!r}")
    return found  # type: ignore[no-any-return]


def format_exc(limit: Any = None, chain: bool = True) -> str:
    """traceback.format_exc, of the program's own lines."""
    error = sys.exc_info()[1]
    return "NoneType: None\n" if error is None else failure.text_of(error) + "\n"


def print_exc(limit: Any = None, file: Any = None, chain: bool = True) -> None:
    """traceback.print_exc, to what the program prints."""
    (_stream if file is None else file).write(format_exc())


def format_exception(exc: Any, /, value: Any = None, *_: Any, **__: Any) -> list[str]:
    """traceback.format_exception, of the program's own lines."""
    return [f"{line}\n" for line in failure.text_of(_error(exc, value)).split("\n")]


def print_exception(
    exc: Any, /, value: Any = None, tb: Any = None, limit: Any = None, file: Any = None, chain: bool = True
) -> None:
    """traceback.print_exception, to what the program prints."""
    (_stream if file is None else file).write("".join(format_exception(exc, value)))


def format_exception_only(exc: Any, /, value: Any = None, **_: Any) -> list[str]:
    """traceback.format_exception_only."""
    error = _error(exc, value)
    message = failure.message_of(error)
    return [f"{failure.kind_of(error)}: {message}\n" if message else f"{failure.kind_of(error)}\n"]


def exc_info() -> tuple[Any, Any, None]:
    """sys.exc_info without the traceback, which leads to frames."""
    error = caught_errors.handled_error()
    return (None, None, None) if error is None else (type(error), error, None)


def getsizeof(object: Any, *default: Any) -> int:
    """sys.getsizeof; the real one holds the real module."""
    return sys.getsizeof(object, *default)


def getrecursionlimit() -> int:
    """sys.getrecursionlimit."""
    return sys.getrecursionlimit()


#: module -> what is in it.
MODULES: dict[str, dict[str, Any]] = {
    "ast": {"literal_eval": literal_eval},
    "sys": {
        "stdout": _stream,
        "stderr": _stream,
        "maxsize": sys.maxsize,
        "version_info": sys.version_info,
        "version": sys.version,
        "platform": sys.platform,
        "byteorder": sys.byteorder,
        "float_info": sys.float_info,
        "getsizeof": getsizeof,
        "getrecursionlimit": getrecursionlimit,
        "exc_info": exc_info,
        "exit": _exit,
    },
    "traceback": {
        each.__name__: each
        for each in (format_exc, print_exc, format_exception, print_exception, format_exception_only)
    },
    "xml": {},
    "xml.etree": {},
}


@dataclass(frozen=True, slots=True)
class Late:
    """A module that is made ready when a program imports it.

    names: what is in it.
    load: gives the values of the names.
    subclassable, writable: the classes among them that may be bases, and on whose instances attributes may be set.
    """

    names: str
    load: Callable[[], Any]
    subclassable: str = ""
    writable: str = ""


def _bytes_only(module: str) -> Callable[[], dict[str, Any]]:
    """A module whose functions get bytes that nobody can change meanwhile."""

    def load() -> dict[str, Any]:
        real = importlib.import_module(module)

        def compress(data: Any, *args: Any, **kwargs: Any) -> bytes:
            packed: bytes = real.compress(bytes(data), *args, **kwargs)
            return packed

        def decompress(data: Any, *args: Any, **kwargs: Any) -> bytes:
            plain: bytes = real.decompress(bytes(data), *args, **kwargs)
            return plain

        return {**vars(real), "compress": compress, "decompress": decompress}

    return load


def _ours(*files: str) -> Callable[[], dict[str, Any]]:
    def load() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for each in files:
            found |= vars(importlib.import_module(f"sandbox.inside.{each}"))
        return found

    return load


LATE: dict[str, Late] = {
    "asyncio": Late(
        "ALL_COMPLETED BoundedSemaphore CancelledError Condition Event FIRST_COMPLETED FIRST_EXCEPTION Future "
        "InvalidStateError LifoQueue Lock PriorityQueue Queue QueueEmpty QueueFull Semaphore Task TaskGroup "
        "TimeoutError all_tasks as_completed create_task current_task ensure_future gather get_event_loop "
        "get_running_loop iscoroutine iscoroutinefunction isfuture run shield sleep timeout to_thread wait "
        "wait_for",
        _ours("event_loop", "waiting", "synchronization", "queues"),
    ),
    "asyncio.exceptions": Late("CancelledError InvalidStateError TimeoutError", _ours("event_loop", "waiting")),
    "bz2": Late("compress decompress", _bytes_only("bz2")),
    "celeriac": Late(" ".join(invocation.NAMES), invocation.contents),
    "gzip": Late("compress decompress BadGzipFile", _bytes_only("gzip")),
    "logging": Late(
        "BASIC_FORMAT CRITICAL DEBUG ERROR FATAL Filter Formatter Handler INFO LogRecord Logger NOTSET NullHandler "
        "StreamHandler WARN WARNING addLevelName basicConfig critical debug disable error exception fatal "
        "getLevelName getLogger info log root warn warning",
        _ours("logs"),
        subclassable="Filter Formatter Handler NullHandler StreamHandler",
        writable="Logger Handler StreamHandler LogRecord Formatter",
    ),
    "lzma": Late(
        "compress decompress LZMAError FORMAT_AUTO FORMAT_XZ FORMAT_ALONE FORMAT_RAW CHECK_NONE CHECK_CRC32 "
        "CHECK_CRC64 CHECK_SHA256 PRESET_DEFAULT PRESET_EXTREME",
        _bytes_only("lzma"),
    ),
    "xml.etree.ElementTree": Late(
        "Element SubElement Comment ProcessingInstruction PI QName ElementTree ParseError XML XMLID fromstring "
        "fromstringlist tostring tostringlist indent dump iselement register_namespace parse",
        lambda: vars(importlib.import_module("sandbox.inside.trees").load()),
        writable="Element",
    ),
}

#: Kept as code by the zygote. (What the compressing modules share is called `compression._common` since Python 3.14.)
_KEPT = words(
    "_compression compression compression._common compression._common._streams bz2 gzip lzma xml.etree.ElementPath "
    "xml.etree.ElementTree sandbox.inside.event_loop sandbox.inside.waiting sandbox.inside.synchronization "
    "sandbox.inside.queues sandbox.inside.logs sandbox.inside.trees"
)
#: Written in C, and imported by the zygote.
_SHARED_OBJECTS = words("_bz2 _lzma pyexpat")


def keep_late() -> None:
    """Once, in the zygote: have at hand what children will import."""
    for name in _SHARED_OBJECTS:
        importlib.import_module(name)
    shelf.keep([*_KEPT, *modules.TABLES])


def load_late(name: str) -> dict[str, Any]:
    """The names of a module of LATE with their values; its classes are the library's from now on."""
    late = LATE[name]
    before = ownership.all_classes()
    values = late.load()
    added = ownership.all_classes() - before
    methods.guard_all_methods(added)
    contents = {each: values[each] for each in words(late.names)}
    ownership.remember_late(
        added,
        subclassable=[contents[each] for each in words(late.subclassable)],
        writable=[contents[each] for each in words(late.writable)],
    )
    return contents
