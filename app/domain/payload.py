"""Turning a request's data, parameters and header values into text and bytes. Pure.

All functions raise ValueError with a message without a subject ("must be …").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from app.domain.charsets import text_codec

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_JSON_TYPE = re.compile(r"[^/]+/(?:.+[+.-])?json(?:[.+-](?!seq).+)?")
"""application/json, text/json, application/problem+json, application/x-amz-json-1.1; not x-ndjson, not json-seq."""

_CHARSET = re.compile(r";[ \t]*charset[ \t]*=[ \t]*(?:\"([^\"]*)\"|([^;]*))", re.IGNORECASE)


def is_json_type(media_type: str) -> bool:
    """Tell whether a lower-case media type is one of JSON documents."""
    return _JSON_TYPE.fullmatch(media_type) is not None


def content_type_parts(content_type: str | None) -> tuple[str | None, str | None]:
    """Return the media type in lower case and the charset as written, each None if it is missing."""
    if content_type is None:
        return None, None
    media_type = content_type.partition(";")[0].strip().lower()
    found = _CHARSET.search(content_type)
    charset = (found[1] or found[2] or "").strip() if found else ""
    return media_type or None, charset or None


def encoded(data: object, content_type: str | None) -> tuple[bytes, str | None]:
    """Return the body for `data`, and the content type to add if the task sets none.

    A string is sent as is, in the declared charset or UTF-8. Anything else becomes JSON, or a form if the content type
    says so. A content type that can carry neither is refused.
    """
    media_type, charset = content_type_parts(content_type)
    codec = _codec(charset)
    if isinstance(data, str):
        return _bytes(data, codec), None
    if media_type == FORM:
        return _form(data, codec), None
    if media_type is not None and not is_json_type(media_type):
        raise ValueError(f"must be a string to be sent as {media_type[:100]}: only JSON and forms are made of objects")
    try:
        text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("must be JSON or text") from None
    return _bytes(text, codec), JSON if media_type is None else None


def pairs(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the names and values of a query or a form. An array repeats its name for each element."""
    return [(name, text_of(value)) for name, given in fields.items() for value in _values(name, given)]


def text_of(value: object) -> str:
    """Return a string as is, a number or boolean as its JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        try:
            return json.dumps(value, allow_nan=False)
        except ValueError:
            raise ValueError("must be a finite number") from None
    raise ValueError("must be a string, a number or a boolean")


def _values(name: str, given: object) -> Iterator[object]:
    for value in given if isinstance(given, list | tuple) else [given]:
        if not isinstance(value, str | bool | int | float):
            raise ValueError(f"the value of {name[:40]} must be a string, a number, a boolean, or an array of them")
        yield value


def _form(data: object, codec: str) -> bytes:
    if not isinstance(data, Mapping):
        raise ValueError("must be an object or a string to be sent as a form")
    try:
        return urlencode(pairs(data), encoding=codec, errors="strict").encode("ascii")
    except UnicodeError:
        raise ValueError(f"holds a character that {codec} can't carry") from None


def _bytes(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec)
    except UnicodeError:
        raise ValueError(f"holds a character that {codec} can't carry") from None


def _codec(charset: str | None) -> str:
    if charset is None:
        return "utf-8"
    info = text_codec(charset)
    if info is None:
        raise ValueError(f"can't be encoded: {charset[:40]!r} is not a known charset")
    return info.name
