"""Types of an API task's fields: their bounds, and the spellings that are accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.domain.checks import checked
from app.domain.numbers import plain_number
from app.domain.payload import text_of
from app.domain.pointers import MAX_POINTER_CHARACTERS, check_pointer
from app.domain.statuscodes import StatusPattern, bounds
from app.domain.url import MAX_URL_BYTES, check_url, is_host

MAX_CONTAINS_CHARACTERS = 10_000
MAX_POINTERS = 50
MAX_HEADERS = 100

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 token
_CONTROL_CHARACTERS = r"\x00-\x08\x0a-\x1f\x7f"  # all but the tab
_CONTROL = re.compile(f"[{_CONTROL_CHARACTERS}]")

_Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
METHODS: tuple[str, ...] = get_args(_Method)
_Scalar = str | int | float | bool


def _upper(method: Any) -> Any:
    return method.upper() if isinstance(method, str) and method.isascii() else method


def _any_case(word: str) -> str:
    """Return a pattern for the word in any case. Patterns in JSON Schema have no flag for that."""
    return "".join(f"[{letter}{letter.lower()}]" for letter in word)


def _as_text(headers: Mapping[str, _Scalar]) -> dict[str, str]:
    """Convert the values to text.

    Raises ValueError for a name or value that HTTP does not allow, and for a name that is given twice.
    """
    names: dict[str, str] = {}
    for name in headers:
        other = names.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"{other[:40]!r} and {name[:40]!r} are the same header: give one of them")
    return {name: _header_text(name, value) for name, value in headers.items()}


def _header_text(name: str, value: _Scalar) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is not a valid header name")
    text = text_of(value)
    if _CONTROL.search(text):
        raise ValueError(f"the value of {name} contains a line break or another control character")
    if name.lower() == "host" and not is_host(text):
        raise ValueError(f"the value of {name} must be a host, or host:port")
    return text


def _check_params(params: Mapping[str, Any]) -> None:
    for name, given in params.items():
        for value in given if isinstance(given, list) else [given]:
            try:
                text_of(value)
            except ValueError as error:
                raise ValueError(f"the value of {name[:40]} {error}") from None


def _as_list(patterns: Any) -> Any:
    return [patterns] if isinstance(patterns, str | int | float) and not isinstance(patterns, bool) else patterns


def _check_patterns(patterns: tuple[StatusPattern, ...]) -> None:
    for pattern in patterns:
        bounds(pattern)


def _check_expected_body(expected: Mapping[str, Any]) -> None:
    """`{"contains": text}` or `{"json": {pointer: value}}`."""
    if len(expected) != 1 or not expected.keys() <= {"contains", "json"}:
        raise ValueError('must be {"contains": "text"} or {"json": {"/pointer": value}}')
    if "contains" in expected:
        text = expected["contains"]
        if not isinstance(text, str) or not 1 <= len(text) <= MAX_CONTAINS_CHARACTERS:
            raise ValueError(f"contains must be a string of 1 to {MAX_CONTAINS_CHARACTERS} characters")
        return
    pointers = expected["json"]
    if not isinstance(pointers, dict) or not 1 <= len(pointers) <= MAX_POINTERS:
        raise ValueError(f"json must be an object of 1 to {MAX_POINTERS} JSON pointers and their values")
    for pointer in pointers:
        check_pointer(pointer)


_METHOD_SCHEMA = {"type": "string", "pattern": f"^({'|'.join(map(_any_case, METHODS))})$", "examples": list(METHODS)}
_EXPECTED_BODY_SCHEMA = {
    "oneOf": [
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["contains"],
            "properties": {"contains": {"type": "string", "minLength": 1, "maxLength": MAX_CONTAINS_CHARACTERS}},
        },
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["json"],
            "properties": {
                "json": {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": MAX_POINTERS,
                    "propertyNames": {"pattern": "^(/([^~]|~[01])*)?$", "maxLength": MAX_POINTER_CHARACTERS},
                }
            },
        },
    ]
}

_URL_SCHEMA: dict[str, Any] = {
    "format": "http-url",
    "pattern": f"^{_any_case('HTTP')}[Ss]?://",
    "maxLength": MAX_URL_BYTES,
}
Url = Annotated[str, Field(min_length=1, json_schema_extra=_URL_SCHEMA), checked(check_url)]
HttpMethod = Annotated[
    _Method,
    BeforeValidator(_upper),
    WithJsonSchema(_METHOD_SCHEMA, mode="validation"),
]
_HEADERS_SCHEMA = {
    "type": "object",
    "maxProperties": MAX_HEADERS,
    "propertyNames": {"pattern": f"^{_HEADER_NAME.pattern}$"},
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "pattern": f"^[^{_CONTROL_CHARACTERS}]*$"},
            {"type": "integer"},
            {"type": "number"},
            {"type": "boolean"},
        ]
    },
}
Headers = Annotated[
    dict[str, _Scalar],
    Field(max_length=MAX_HEADERS),
    AfterValidator(_as_text),
    WithJsonSchema(_HEADERS_SCHEMA, mode="validation"),
]
Params = Annotated[dict[str, _Scalar | list[_Scalar]], Field(max_length=200), checked(_check_params)]
_CODES_SCHEMA: dict[str, Any] = {
    "format": "status-codes",
    "pattern": "^([1-9][Xx][Xx]|[1-9][0-9]{2}(-[1-9][0-9]{2})?)$",
}
_Code = Annotated[int, Field(ge=100, le=999), BeforeValidator(plain_number)]
Pattern = _Code | Annotated[str, Field(json_schema_extra=_CODES_SCHEMA)]
#: None at all is possible: failed connections and timeouts are retried anyway.
RetriedStatus = Annotated[list[Pattern], Field(max_length=50), checked(_check_patterns)]
_PatternList = Annotated[list[Pattern], Field(min_length=1, max_length=50)]
_ExpectedPatterns = Annotated[_PatternList, checked(_check_patterns)]
#: A single code or range means a list of one.
ExpectedStatus = Annotated[_ExpectedPatterns, BeforeValidator(_as_list, json_schema_input_type=_PatternList | Pattern)]
ExpectedBody = Annotated[
    dict[str, Any], checked(_check_expected_body), WithJsonSchema(_EXPECTED_BODY_SCHEMA, mode="validation")
]
