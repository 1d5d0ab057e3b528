"""Parse requests: the JSON body, the query string, and the `Prefer` and `Idempotency-Key` headers."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypedDict, TypeVar

from flask import request
from pydantic_core import from_json
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.context import context, current_request
from app.api.problems import Refused
from app.domain.errors import InvalidSpec, Problem, problem_with
from app.domain.idempotency import RequestKey, request_key
from app.domain.names import NamePattern, name_pattern
from app.domain.status import Kind
from app.domain.times import parse_rfc3339

MAX_WAIT_SECONDS = 60
MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_FILTER_LENGTH = 200

#: JSON's numbers, bounded. float() also accepts 1_0, +1, inf and non-ASCII digits.
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,400})?([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
Choice = TypeVar("Choice", bound=StrEnum)
Value = TypeVar("Value")
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?0*(\d{1,4000})"?\s*(?=$|[,;])', re.IGNORECASE | re.ASCII)


def json_body(default: Any = None, max_bytes: int | None = None) -> Any:
    """The body as a JSON value.

    Raises Refused for another content type or a content coding (415), excess size (413) or bad JSON (400), and
    InvalidSpec for a query: what it asks for is not done, and the body is where fields belong.

    With a `default`, the request needs no body. `max_bytes` replaces the limit of `MAX_BODY_BYTES`.
    """
    body = _json_value(default, max_bytes)
    Query(request.args).done()
    return body


def _json_value(default: Any, max_bytes: int | None) -> Any:
    limit = context().settings.max_body_bytes if max_bytes is None else max_bytes
    if default is not None and not _has_body():
        return default
    request = current_request()
    if request.mimetype != "application/json":
        raise Refused(415, "send the body with Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "send the body without a Content-Encoding")
    request.max_content_length = limit
    try:
        body = _body(limit) if request.content_length is None else _whole_body(request.content_length)
    except RequestEntityTooLarge:
        raise Refused(413, f"the body must not exceed {limit} bytes") from None
    try:
        return from_json(body.removeprefix(codecs.BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        raise Refused(400, f"the body is not valid JSON: {str(error)[:200]}") from None


def _has_body() -> bool:
    """Whether the request has a body, or may have one: a chunked body has no Content-Length."""
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def _whole_body(length: int) -> bytes:
    """A body with a Content-Length. A body that was cut off in transit must not pass as complete."""
    body = request.get_data(cache=False)
    if len(body) < length:
        raise Refused(400, "the body is shorter than its Content-Length")
    return body


def _body(limit: int) -> bytes:
    """A body without a Content-Length (chunked). Werkzeug would silently truncate it at the limit."""
    body = bytearray()
    while chunk := request.environ["wsgi.input"].read(limit + 1 - len(body)):
        body += chunk
        if len(body) > limit:
            raise RequestEntityTooLarge
    return bytes(body)


def preferred_wait_seconds() -> float:
    """N of `Prefer: wait=N` (RFC 7240), at most 60. Without a valid value 0, since it is only a preference."""
    match = _WAIT.search(request.headers.get("Prefer", ""))
    if match is None:
        return 0
    return MAX_WAIT_SECONDS if len(match[1]) > 9 else min(int(match[1]), MAX_WAIT_SECONDS)


def idempotency_key(body: Any = None) -> RequestKey | None:
    """The request's `Idempotency-Key` combined with its JSON body; None if the header is absent.

    Pass no body for an endpoint that reads none. Raises InvalidSpec if the header is malformed.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    with problem_with("Idempotency-Key"):
        return request_key(request.method, request.path.rstrip("/"), key, body)


class CommonFilters(TypedDict):
    """Filters shared by the lists of tasks and of scheduled tasks. None matches everything."""

    kind: Kind | None
    name: NamePattern | None
    tag: str | None


class Query:
    """Reads the query's parameters by name. `done` reports the problems of all of them together."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._known: set[str] = set()
        self._problems: list[Problem] = []

    def text(self, name: str) -> str | None:
        """Any text; None if the parameter is absent or empty."""
        return self._read(name, _checked_text)

    def choice(self, name: str, choices: type[Choice]) -> Choice | None:
        """One of an enum's values."""
        return self._read(name, lambda text: _checked_choice(text, choices))

    def word(self, name: str, choices: Sequence[str]) -> str | None:
        """One of a few words."""
        return self._read(name, lambda text: _checked_word(text, choices))

    def common_filters(self) -> CommonFilters:
        """The filters of every list. `name`: see app/domain/names.py."""
        return {
            "kind": self.choice("kind", Kind),
            "name": self._read("name", lambda text: name_pattern(_checked_text(text))),
            "tag": self.text("tag"),
        }

    def time_ms(self, name: str) -> int | None:
        """An RFC 3339 time. The `+` of an offset may arrive decoded as a space."""
        return self._read(name, lambda text: parse_rfc3339(text.replace(" ", "+") if "T" in text else text))

    def limit(self) -> int:
        """`limit`, 1..200, default 50."""
        limit = self._read("limit", lambda text: _checked_whole_number(text, 1, MAX_LIMIT))
        return DEFAULT_LIMIT if limit is None else limit

    def wait_seconds(self) -> float | None:
        """`wait`, 0..60 seconds. None if it is absent or empty: then `Prefer` may ask for a wait."""
        return self._read("wait", lambda text: _checked_number(text, 0, MAX_WAIT_SECONDS))

    def done(self, *, strict: bool = True) -> None:
        """Raise InvalidSpec with every problem found; with `strict`, unknown parameters are problems too."""
        if strict:
            unknown = [name for name in self._arguments if name not in self._known]
            self._problems += [Problem(name[:100], "is not a known parameter") for name in unknown]
        if self._problems:
            raise InvalidSpec(self._problems)

    def _given(self, name: str) -> Sequence[str]:
        """The values of a parameter, "" if it is absent."""
        if isinstance(self._arguments, MultiDict):
            return self._arguments.getlist(name) or [""]
        return [self._arguments.get(name, "")]

    def _read(self, name: str, read: Callable[[str], Value]) -> Value | None:
        self._known.add(name)
        text, *more = self._given(name)
        try:
            if more:  # to heed one of them would answer another question than the caller asked
                raise ValueError("may be given only once")
            return read(text) if text else None
        except ValueError as error:
            self._problems.append(Problem(name, str(error)))
            return None


def _checked_text(text: str) -> str:
    if len(text) > MAX_FILTER_LENGTH:
        raise ValueError(f"must have at most {MAX_FILTER_LENGTH} characters")
    return text


def _checked_choice(text: str, choices: type[Choice]) -> Choice:
    try:
        return choices(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(choices)}") from None


def _checked_word(text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return text


def _checked_number(text: str, low: float, high: float) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not low <= number <= high:
        raise ValueError(f"must be a number from {low:g} to {high:g}")
    return number


def _checked_whole_number(text: str, low: int, high: int) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise ValueError(f"must be a whole number from {low} to {high}")
    return int(text)
