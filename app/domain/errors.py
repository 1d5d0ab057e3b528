"""What can go wrong with a call, apart from how HTTP says it.

ServiceError
├── InvalidSpec      the request is understood and not valid: every wrong field is named
├── NotFound         no such task or scheduled task
├── Conflict         the status does not permit it
├── KeyReused        the idempotency key came with another request before
└── Unavailable      Redis can't be reached; nothing was created
    └── Full         there is no room for more; nothing was created
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field. `line` and `column` (from 1) are set where the field is source code."""

    field: str
    message: str
    line: int | None = None
    column: int | None = None


class ServiceError(Exception):
    """A call could not be carried out; nothing was changed."""


class InvalidSpec(ServiceError):
    """The request is not valid."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


class NotFound(ServiceError):
    """There is no such thing."""


class Conflict(ServiceError):
    """The status does not permit it."""

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


class KeyReused(ServiceError):
    """The idempotency key came with another request before."""


class Unavailable(ServiceError):
    """Redis can't be reached."""


class Full(Unavailable):
    """There is no room for more: too many tasks wait, or the memory is used up."""
