"""Reads the messages of a child, which may be hostile. All later readers can rely on what is accepted here.

Accepted is strict UTF-8, and JSON as in RFC 8259 of bounded depth, without NaN, infinities and halves of surrogate
pairs. A failure has only a type, a message and a place that a program can cause. Anything else raises Forged.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox import protocol
from sandbox.verdict import Failure, Limits, Problem, Verdict

#: What a check may find.
PROBLEM_TYPES = frozenset({"SyntaxError", "SecurityError", "NameError", "TypeError"})
MAX_PROBLEMS = 1_000
#: Said by those who run a program, never by the program: its own class of such a name is shown as `task.NAME`.
RESERVED_TYPES = frozenset({"WorkerLostError", "CpuLimitError"})
MAX_CPU_MS = 1e9
MAX_MEMORY_KB = 2**40


class Forged(ValueError):
    """The child sent something that it does not send by itself."""


def _no_constant(name: str) -> None:
    raise Forged(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Forged("a number that overflows")
    return number


_Utf8Decoder = codecs.getincrementaldecoder("utf-8")
_LAST = (protocol.RESULT, protocol.FAILURE)
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass(slots=True)
class Conversation:
    """The messages of a child so far.

    budget: how many bytes more the child may send; below 0 it has sent too many.
    on_output: gets the output while it arrives.
    wants_code: the child has been asked for the program's code, and sends that first.
    lean: it is a child of the lean zygote.
    on_step: is told "run" once the code has arrived, since the program then runs.
    code: the program's code, as CODE brings it; empty as long as it has not come.
    job_is_unread: the child has ended before it read its job, so that the program never began.
    """

    limits: Limits
    frames: protocol.Frames
    budget: int
    on_output: Callable[[str], None] | None = None
    wants_code: bool = False
    lean: bool = False
    on_step: Callable[[str], None] | None = None
    code: bytes = b""
    stdout: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    measured: bool = False
    job_is_unread: bool = False
    cpu_ms: float = 0.0
    memory_kb: int = 0
    _passed_on: int = 0
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: _Utf8Decoder("replace"))

    def heard(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take bytes. Returns the last frame (RESULT, FAILURE or NOT_HERE) once complete.

        Raises ValueError on a wrong one.
        """
        self.budget -= len(data)
        if self.budget < 0:
            raise Forged("too much")
        for letter, payload in self.frames.feed(data):
            if letter in _LAST or (letter == protocol.NOT_HERE and self.lean):
                return letter, payload
            self._aside(letter, payload)
        return None

    def pass_output_on(self) -> None:
        """Give new output to `on_output`, in whole characters."""
        if self.on_output is None or len(self.stdout) == self._passed_on:
            return
        text = self._decoder.decode(bytes(memoryview(self.stdout)[self._passed_on :]))
        self._passed_on = len(self.stdout)
        if text:
            self.on_output(text)

    def _aside(self, letter: bytes, payload: bytes) -> None:
        wants_code, self.wants_code = self.wants_code, False
        if letter == protocol.CODE and wants_code:
            self.code = payload
            if self.on_step is not None:
                self.on_step("run")
        elif letter == protocol.OUTPUT:
            room = self.limits.stdout_bytes - len(self.stdout)
            if self.truncated or len(payload) > room:
                raise Forged("more output than there may be")
            self.truncated = not payload
            self.stdout += payload
        elif letter == protocol.METRICS and not self.measured:
            self.measured = True
            self.cpu_ms, self.memory_kb = read_metrics(payload)
        else:
            raise Forged("unknown frame")

    def verdict(self, *, result: bytes | None = None, failure: Failure | None = None) -> Verdict:
        """The verdict on the run."""
        text = self.stdout.decode("utf-8", "ignore" if self.truncated else "replace")
        return Verdict(result, failure, text, self.truncated, self.cpu_ms, self.memory_kb)


def read_metrics(payload: bytes) -> tuple[float, int]:
    """Milliseconds of processor time and kilobytes of memory, each finite and bounded."""
    reply = _object(payload, {"cpu_ms", "memory_kb"})
    cpu_ms, memory_kb = reply["cpu_ms"], reply["memory_kb"]
    if type(cpu_ms) not in (int, float) or type(memory_kb) is not int:
        raise Forged("metrics that are no numbers")
    if not (0 <= cpu_ms <= MAX_CPU_MS and 0 <= memory_kb <= MAX_MEMORY_KB):  # false for NaN
        raise Forged("metrics out of bounds")
    return float(cpu_ms), memory_kb


def check_result(payload: bytes) -> None:
    """Raises where a reader of the result could not read it, or not write it down again."""
    value = _load(payload)
    if protocol.is_too_deep(payload, value):
        raise Forged("nested too deeply")
    if b"\\u" in payload:  # an escape is all that may stand for half of a surrogate pair
        _ENCODER.encode(value).encode()  # UnicodeEncodeError is a ValueError


def read_failure(payload: bytes) -> Failure:
    """The child's account of its failure."""
    reply = _object(payload, {"type", "message", "line", "traceback", "permanent"})
    traceback, permanent = reply["traceback"], reply["permanent"]
    if type(permanent) is not bool:
        raise Forged("neither true nor false")
    return Failure(
        _type(reply["type"]),
        _text(reply["message"], protocol.MAX_MESSAGE_CHARS),
        _place(reply["line"]),
        None if traceback is None else _text(traceback, protocol.MAX_TRACEBACK_CHARS),
        permanent,
    )


def read_problems(payload: bytes) -> list[Problem]:
    """What a check has found."""
    found = _load(payload)
    if type(found) is not list:
        raise Forged("no list of problems")
    return [_problem(each) for each in found[:MAX_PROBLEMS]]


def _problem(found: Any) -> Problem:
    fields = _fields(found, {"type", "message", "line", "column"})
    if fields["type"] not in PROBLEM_TYPES:
        raise Forged("a type that no check finds")
    message = _text(fields["message"], protocol.MAX_MESSAGE_CHARS)
    return Problem(fields["type"], message, _place(fields["line"]), _place(fields["column"]))


def _load(payload: bytes) -> Any:
    """Decoded here: left to itself, json would take UTF-16, UTF-32 and a byte order mark."""
    return _DECODER.decode(payload.decode("utf-8"))


def _object(payload: bytes, names: set[str]) -> Mapping[str, Any]:
    return _fields(_load(payload), names)


def _fields(value: Any, names: set[str]) -> Mapping[str, Any]:
    if type(value) is not dict or value.keys() != names:
        raise Forged("other fields")
    return value


def _type(value: Any) -> str:
    """The name of a class."""
    if type(value) is not str or not value.isidentifier() or len(value) > protocol.MAX_TYPE_CHARS:
        raise Forged("a type that is no name")
    return f"task.{value}" if value in RESERVED_TYPES else value


def _text(value: Any, max_chars: int) -> str:
    """Without halves of surrogate pairs, which an exception's message may hold, but no UTF-8."""
    if type(value) is not str:
        raise Forged("no text")
    return value[:max_chars].encode("utf-8", "replace").decode()


def _place(value: Any) -> int | None:
    """A line or a column, from 1; the compiler says 0 where it knows none."""
    if value is None or value == 0:
        return None
    if type(value) is not int or not 1 <= value <= protocol.MAX_JOB_BYTES:
        raise Forged("a place that is not in the source")
    return value
