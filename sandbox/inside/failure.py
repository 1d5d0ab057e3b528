"""What is told of an exception: its type, its message, and a traceback of the program's own lines with all its causes.

The text is CPython's, without the frames of the library and of the sandbox. It is bounded: of a long chain the newest
exceptions are kept, of an exception group the first members, of a deep recursion the innermost frames.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any

from sandbox.inside import names

MAX_FRAMES = 50
MAX_CHAINED = 10
MAX_MEMBERS = 10
MAX_NESTED_GROUPS = 5
MAX_LINE_CHARS = 500
MAX_TEXT_CHARS = 4_000
MAX_NOTES = 10

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"
_exceptions_of: Any = BaseExceptionGroup.__dict__["exceptions"].__get__
_name_of: Any = type.__dict__["__name__"].__get__
#: A class of the program may have something else by these names.
_cause_of, _context_of, _hides_context = [
    BaseException.__dict__[name].__get__ for name in ("__cause__", "__context__", "__suppress_context__")
]


class Source:
    """The source of the one program of this process."""

    def __init__(self) -> None:
        self._text = b""
        self._lines: list[str] | None = None

    def set(self, text: bytes) -> None:
        self._text, self._lines = text, None

    def lines(self) -> list[str]:
        """Split when a failure has to be told."""
        if self._lines is None:
            text = self._text.decode("utf-8", "surrogatepass")
            # As the compiler counts; splitlines() would split at form feeds, U+2028 and others, too.
            self._lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return self._lines


source = Source()


def tell(text: str) -> None:
    """Print what Python writes to standard error: not to what `redirect_stdout` has put in the place of sys.stdout."""
    sys.__stdout__.write(text)  # type: ignore[union-attr]


def kind_of(error: BaseException) -> str:
    """The name of the exception's class, whatever that says of itself."""
    return "MemoryLimitError" if isinstance(error, MemoryError) else str.__str__(_name_of(type(error)))


def message_of(error: BaseException) -> str:
    """str(error), as far as the program's own `__str__` gives one; never an instance of a class of the program."""
    try:
        return followable(str.__str__(str(error))[:MAX_TEXT_CHARS])
    except BaseException as second:
        return f"(str() of this exception raised {kind_of(second)})"


def followable(message: str) -> str:
    """The message without advice that can't be followed here."""
    if "sys.set_int_max_str_digits()" not in message:
        return message
    return f"{message.partition(';')[0]}: keep the number as it is, write it by hex(), or pass it in parts"


def line_of(error: BaseException) -> int | None:
    """The line of the program that was at work, if any was."""
    frames = _own_frames(error.__traceback__)
    return frames[-1][0] if frames else None


def traceback_of(error: BaseException) -> str | None:
    """The text, or None where no line of the program had a part in it."""
    lines = list(_told(error, set(), 0))
    return "\n".join(lines) if any(line.lstrip(" |+-").startswith("File ") for line in lines) else None


def text_of(error: BaseException) -> str:
    """The text, wherever the exception comes from."""
    return "\n".join(_told(error, set(), 0))


def _told(error: BaseException, told: set[int], depth: int) -> Iterator[str]:
    """The exception with everything that led to it, the oldest first."""
    for number, (each, joint) in enumerate(_chain(error, told)):
        if number:
            yield from ("", joint, "")
        yield from _alone(each, told, depth)


def _chain(error: BaseException, told: set[int]) -> list[tuple[BaseException, str]]:
    """(exception, the sentence that joins it to the one before), the oldest first."""
    newest_first: list[tuple[BaseException, str]] = []
    current: BaseException | None = error
    while current is not None and id(current) not in told and len(newest_first) < MAX_CHAINED:
        told.add(id(current))
        cause = _cause_of(current)
        if not issubclass(type(cause), BaseException | None):  # before Python 3.13, what `raise … from` made of a class
            cause = None
        newest_first.append((current, _CONTEXT if cause is None else _CAUSE))
        current = cause if cause is not None else None if _hides_context(current) else _context_of(current)
    return newest_first[::-1]


def _alone(error: BaseException, told: set[int], depth: int) -> Iterator[str]:
    frames = _own_frames(error.__traceback__)
    is_group = isinstance(error, BaseExceptionGroup)
    if frames:
        yield "Exception Group Traceback (most recent call last):" if is_group else "Traceback (most recent call last):"
    for number, function in frames:
        yield f'  File "{names.FILENAME}", line {number}, in {function}'
        yield f"    {_line(number)}"
    message = message_of(error)
    yield f"{kind_of(error)}: {message}" if message else kind_of(error)
    yield from _notes(error)
    if is_group:
        yield from _members(_exceptions_of(error), told, depth + 1)


def _notes(error: BaseException) -> Iterator[str]:
    try:
        notes = getattr(error, "__notes__", None)
    except BaseException:  # of the program's own __getattr__
        return
    for note in notes[:MAX_NOTES] if type(notes) is list else ():
        if type(note) is str:
            yield note[:MAX_LINE_CHARS]


def _members(members: tuple[BaseException, ...], told: set[int], depth: int) -> Iterator[str]:
    if depth > MAX_NESTED_GROUPS:
        yield f"  (exception groups nested deeper than {MAX_NESTED_GROUPS} are left out)"
        return
    for number, each in enumerate(members[:MAX_MEMBERS], start=1):
        yield f"  +---------------- {number} ----------------"
        for line in _told(each, told, depth):
            yield f"  | {line}".rstrip()
    if len(members) > MAX_MEMBERS:
        yield f"  +---------------- and {len(members) - MAX_MEMBERS} more"


def _own_frames(traceback: TracebackType | None) -> list[tuple[int, str]]:
    """(line, function) of the frames of the program's own source, the outermost first, the last of them."""
    found: list[tuple[int, str]] = []
    for line, code in _own_places(traceback):
        found.append((line, code.co_name))
        del found[:-MAX_FRAMES]
    return found


def own_codes(traceback: TracebackType | None) -> list[CodeType]:
    """The code of each frame of the program's own source."""
    return [code for _, code in _own_places(traceback)]


def _own_places(traceback: TracebackType | None) -> Iterator[tuple[int, CodeType]]:
    """(line, code) of each frame of the program's own source, the outermost first."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == names.FILENAME:
            yield traceback.tb_lineno, code
        traceback = traceback.tb_next


def _line(number: int) -> str:
    lines = source.lines()
    return lines[number - 1].strip()[:MAX_LINE_CHARS] if 0 < number <= len(lines) else ""
