"""What can be seen of a program before it runs."""

from __future__ import annotations

from typing import Protocol

from app.domain.errors import InvalidSpec, Problem
from app.domain.spec import TaskFields


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

    def __call__(self, source: str, function_name: str) -> list[Finding]: ...


def check_code(spec: TaskFields, checker: CodeChecker) -> None:
    """Raises InvalidSpec with everything the policy finds in a code task's program."""
    if spec.function_code is None or spec.function_name is None:
        return
    findings = checker(spec.function_code, spec.function_name)
    if findings:
        raise InvalidSpec([_problem(finding) for finding in findings])


def _problem(finding: Finding) -> Problem:
    if finding.type == "NameError":
        return Problem("function_name", finding.message, finding.line, finding.column)
    message = f"{finding.type}: {finding.message}"
    return Problem("function_code", message, finding.line, finding.column)
