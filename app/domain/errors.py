"""Errors of the use cases, independent of HTTP.

ServiceError
├── InvalidSpec      the request is well formed but invalid; every invalid field is listed
├── NotFound         the task or scheduled task does not exist
├── Conflict         the current status does not allow the change
├── KeyReused        the idempotency key was used for a different request
├── KeyRefused       an API key can't be created, rotated or revoked
└── Unavailable      Redis is unreachable or refuses the command
    ├── Full         the service is at capacity; nothing was created or changed
    │   └── Busy     only for calls of this sort: new tasks are taken
    └── OtherForm    the data has a form that this version can't work on, now or ever
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One invalid field. `line` and `column` (from 1) are set if the field is source code."""

    field: str
    message: str
    line: int | None = None
    column: int | None = None


class ServiceError(Exception):
    """A call could not be carried out. Unless it is an Unavailable, nothing was changed."""


class InvalidSpec(ServiceError):
    """The request is invalid."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


@contextmanager
def problem_with(field: str) -> Iterator[None]:
    """Raise InvalidSpec that names the field if the block raises ValueError."""
    try:
        yield
    except ValueError as error:
        raise InvalidSpec([Problem(field, str(error))]) from error


class NotFound(ServiceError):
    """The task or scheduled task does not exist."""


class Conflict(ServiceError):
    """The current status of the task or scheduled task does not allow the change. `status`: "" for anything else."""

    def __init__(self, message: str, status: str = "") -> None:
        super().__init__(message)
        self.status = status


class KeyReused(ServiceError):
    """The idempotency key was used for a different request."""


class KeyRefused(ServiceError):
    """An API key can't be created, rotated or revoked. The message says why."""


#: Characters of what Redis or the network says.
MAX_REASON = 200


class Unavailable(ServiceError):
    """Redis is unreachable or refuses the command. The message is a short reason (see app/api/problems.py)."""


class Full(Unavailable):
    """The service is at capacity: too many tasks are waiting, or Redis is out of memory."""


class Busy(Full):
    """Too many calls of this sort are in work, such as exports. New tasks are taken."""


class OtherForm(Unavailable):
    """The data in Redis has a form that this version does not work on (app/domain/form.py). The message says why."""


def reason_of(error: Unavailable) -> str:
    """Why Redis is unavailable, in the words of Redis or of the network: for logs and commands, not for callers.

    It may name the address of Redis.
    """
    if isinstance(error, Full | OtherForm):
        return str(error)
    words = str(error.__cause__ or "").partition(" : <")[0]  # redis-py adds the whole connection to a Sentinel
    return f"{error}: {words[:MAX_REASON]}" if words and words not in str(error) else str(error)


def outage(error: Unavailable) -> str:
    """The sentence with which a log says that an outage has begun; `reason_of` tells more."""
    return str(error) if isinstance(error, OtherForm) else "Redis can't be reached"
