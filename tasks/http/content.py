"""Interpreting the bytes of a body: JSON, text, or neither. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from app.domain.payload import content_type_parts, is_json_type
from tasks.http import charsets

MAX_CONTENT_TYPE_CHARACTERS = 1_000
"""The part of a Content-Type that is parsed. Honest ones are shorter."""

FREE_JSON_CONTAINERS = 20_000
CHARACTERS_PER_JSON_ARRAY = 16
CHARACTERS_PER_JSON_OBJECT = 6
"""JSON with more and smaller arrays or objects is kept as text. Python's garbage collector visits each of them again
and again, so a megabyte of empty arrays would cost a fifth of a second."""

_TEXTUAL = re.compile(
    r"text/.*|.*[+/](xml|yaml|x-yaml|toml|csv|graphql|html|json-seq|(x-)?(ndjson|jsonl|jsonlines))"
    r"|application/(javascript|ecmascript|x-javascript|x-www-form-urlencoded|sql|rtf|x-sh|problem)"
)
_MAYBE_INFINITE = re.compile(r"[eE]\+?[0-9]{3}|(?<![0-9])[0-9]{210}")
"""A number beyond a float has an exponent of three digits, or 210 digits before one of two: 2e308 is 2000…000e99."""


@dataclass(frozen=True, slots=True)
class Content:
    """A body as a JSON `value`, with its `encoding` (None or "base64") and its `text` (None if it is not text)."""

    value: object | str | None
    encoding: str | None
    text: str | None


def interpret(body: bytes, content_type: str | None, *, is_whole: bool) -> Content:
    """Interpret a body as JSON, else as text, else as base64. No byte is lost.

    A truncated body (`is_whole` false) is never parsed. Without a content type, JSON and UTF-8 text are tried.
    """
    if not body:
        return Content(None, None, None)
    media_type, charset = media_type_of(content_type)
    may_be_json = media_type is None or is_json_type(media_type)
    is_textual = may_be_json or _TEXTUAL.fullmatch(media_type or "") is not None
    text = _text(body, charset, is_whole=is_whole, is_declared=media_type is not None) if is_textual else None
    if text is None:
        return Content(base64.b64encode(body).decode(), "base64", None)
    if is_whole and may_be_json:
        try:
            return Content(parsed(text), None, text)
        except ValueError:
            pass  # not valid JSON: kept as text
    return Content(text, None, text)


def parsed(text: str) -> object:
    """Parse a JSON text into a value that can be written as JSON again.

    Raises ValueError for invalid JSON, and for JSON that can't be stored: numbers beyond a float or with more than
    4,300 digits, lone surrogates, more than 200 levels, too many tiny arrays or objects.
    """
    has_many_arrays = text.count("[") > max(FREE_JSON_CONTAINERS, len(text) // CHARACTERS_PER_JSON_ARRAY)
    if has_many_arrays or text.count("{") > max(FREE_JSON_CONTAINERS, len(text) // CHARACTERS_PER_JSON_OBJECT):
        raise ValueError("too many arrays or objects")
    value = from_json(text, allow_inf_nan=False)
    if _MAYBE_INFINITE.search(text) and _is_infinite(value):
        raise ValueError("a number beyond a float")
    return value


def _is_infinite(value: object) -> bool:
    """Whether an infinity is in it. Written twice as JSON, since finding it by a walk takes three times as long."""
    as_constants = to_json(value, inf_nan_mode="constants")
    return b"Infinity" in as_constants and as_constants != to_json(value, inf_nan_mode="null")


def media_type_of(content_type: str | None) -> tuple[str | None, str | None]:
    """Return the media type in lower case, and the charset as written. A type without a slash counts as none."""
    media_type, charset = content_type_parts((content_type or "")[:MAX_CONTENT_TYPE_CHARACTERS])
    last = (media_type or "").rpartition(",")[2].strip()  # a header sent twice is joined by a comma
    return last if "/" in last else None, charset


def _text(body: bytes, charset: str | None, *, is_whole: bool, is_declared: bool) -> str | None:
    """Return the text, or None if its charset is not certain. `is_declared`: the content type says it is text."""
    for encoding in (charsets.marked(body), charsets.known(charset), charsets.unmarked_utf16(body), "utf-8"):
        text = None if encoding is None else _decoded(body, encoding, is_whole=is_whole)
        if text is not None:
            return None if not is_declared and "\0" in text else text
    if not is_declared:
        return None
    for encoding in (charsets.declared_within(body), charsets.guess(body)):
        text = None if encoding is None else _decoded(body, encoding, is_whole=is_whole)
        if text is not None:
            return text
    return None


def _decoded(body: bytes, encoding: str, *, is_whole: bool) -> str | None:
    try:
        return charsets.decode(body, encoding, is_whole=is_whole)
    except UnicodeError:
        return None
