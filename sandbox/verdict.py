"""What goes into a run, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MEMORY_BYTES = 268_435_456


@dataclass(frozen=True, slots=True)
class Program:
    """One run: call `function_name` of `source`. The arguments are a JSON array and a JSON object, UTF-8.

    context_json: a JSON object with what the program may know of its run (`celeriac` in the sandbox): `task_id`,
    `attempt`, `scheduled_task_id`, `scheduled_at` (RFC 3339), `timezone`.
    """

    source: str
    function_name: str
    args_json: bytes = b"[]"
    kwargs_json: bytes = b"{}"
    context_json: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one run.

    wall_seconds: from start to end, enforced by the parent.
    cpu_seconds: processor time, enforced by the kernel; None leaves it to the wall clock.
    memory_bytes: address space in addition to what the child has before it runs the program.
    result_bytes, stdout_bytes: maximum size of the result as JSON, and of the output that is kept.
    """

    wall_seconds: float
    cpu_seconds: float | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    result_bytes: int = 1_048_576
    stdout_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class Failure:
    """The program's failure. `line` and `traceback` speak of its own source only.

    permanent: the same program with the same arguments fails so every time.
    """

    type: str
    message: str
    line: int | None = None
    traceback: str | None = None
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended: with `result_json`, with a `failure`, or `stopped` by the caller."""

    result_json: bytes | None = None
    failure: Failure | None = None
    stdout: str = ""
    stdout_truncated: bool = False
    cpu_ms: float = 0.0
    memory_kb: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What can be seen before a run.

    type: SyntaxError, SecurityError; NameError for the function's name, TypeError for its arguments.

    Lines and columns count from 1.
    """

    type: str
    message: str
    line: int | None
    column: int | None


class SandboxError(Exception):
    """The sandbox failed, not the program: it may be tried again."""


class LayersMissing(SandboxError):
    """This machine does not provide layers that are required; trying again does not help. The message names them."""
