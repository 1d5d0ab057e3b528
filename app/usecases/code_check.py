"""Check a program at creation, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.domain.checks import MAX_CODE_BYTES
from app.domain.errors import Problem


class Finding(Protocol):
    """One thing wrong with a program (sandbox.Problem)."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def column(self) -> int | None: ...


class CodeChecker(Protocol):
    """Compiles a program under the sandbox's policy, without running it (sandbox.Sandbox.check)."""

    def __call__(
        self, source: str, function_name: str, call: tuple[int, Sequence[str]] | None = None, /
    ) -> Sequence[Finding]: ...


def code_problems(fields: Mapping[str, Any], checker: CodeChecker) -> list[Problem]:
    """Everything the policy finds in the program of a raw spec. Empty if the spec has no usable program."""
    program = _program(fields)
    return [] if program is None else [_problem(finding) for finding in checker(*program, _call(fields))]


def check_key(fields: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """What the check of a raw spec depends on, the source first. None if there is nothing to check."""
    program = _program(fields)
    return None if program is None else (*program, str(_call(fields)))


def _call(fields: Mapping[str, Any]) -> tuple[int, list[str]] | None:
    """How the function is called: the number of positional arguments, and the names of the others."""
    args, kwargs = fields.get("args"), fields.get("kwargs")
    args, kwargs = [] if args is None else args, {} if kwargs is None else kwargs
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return None
    return len(args), sorted(kwargs)


def _program(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    """The source and the name of its function; None if the rules of the spec refuse them, or there is no program."""
    code, name = fields.get("function_code"), fields.get("function_name")
    if not isinstance(code, str) or not isinstance(name, str):
        return None
    return (code, name) if code and name.isidentifier() and len(code) <= MAX_CODE_BYTES else None


def _problem(finding: Finding) -> Problem:
    if finding.type == "NameError":
        return Problem("function_name", finding.message, finding.line, finding.column)
    if finding.type == "TypeError":
        is_about_name = finding.message.endswith("but kwargs has")
        return Problem("kwargs" if is_about_name else "args", finding.message, finding.line, finding.column)
    message = f"{finding.type}: {finding.message}"
    return Problem("function_code", message, finding.line, finding.column)
