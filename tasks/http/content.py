"""What the bytes of a body are: JSON, text, or neither. Pure."""

from __future__ import annotations

import base64
import codecs
import json
import math
import re
from email.message import Message

MAX_JSON_DEPTH = 100
"""Deeper values are kept as text: whoever writes them again would run into Python's recursion limit."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NOT_CHARSETS = frozenset(
    {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "utf_7", "undefined", "mbcs", "oem"}
)
"""Python codecs that are text encodings and no charset of the web: slow, or able to make lone surrogates."""

_TEXTUAL = re.compile(
    r"text/.*|.*[+/](json|xml|yaml|x-yaml|toml|csv|x-ndjson|ndjson|jsonlines|graphql|html)"
    r"|application/(javascript|ecmascript|x-javascript|x-www-form-urlencoded|sql|rtf|x-sh|problem)"
)
_JSON = re.compile(r".*[+/]json")


def interpret(body: bytes, content_type: str | None, *, is_whole: bool) -> tuple[object | str | None, str | None]:
    """The body as JSON carries it, and its encoding: None, or "base64".

    A truncated body (`is_whole` false) is never parsed. Without a content type, JSON and text are tried.
    """
    if not body:
        return None, None
    media_type, charset = _media_type(content_type)
    if media_type is not None and not _TEXTUAL.fullmatch(media_type):
        return base64.b64encode(body).decode(), "base64"
    text = _text(body, charset, is_whole=is_whole, must_be=media_type is None)
    if text is None:
        return base64.b64encode(body).decode(), "base64"
    if is_whole and (media_type is None or _JSON.fullmatch(media_type)):
        return _json_or_text(text), None
    return text, None


def _media_type(content_type: str | None) -> tuple[str | None, str | None]:
    if not content_type:
        return None, None
    media_type = content_type.partition(";")[0].strip().lower()
    message = Message()
    message["Content-Type"] = content_type
    charset = message.get_param("charset")
    return media_type or None, charset if isinstance(charset, str) else None


def _text(body: bytes, charset: str | None, *, is_whole: bool, must_be: bool) -> str | None:
    """Decoded text; None only if it `must_be` valid UTF-8 without NUL, and is not."""
    encoding = _marked(body) or _known_charset(charset)
    if encoding is not None:
        return _decode(body, encoding, is_whole=is_whole, errors="replace")
    try:
        text = _decode(body, "utf-8", is_whole=is_whole, errors="strict")
    except UnicodeDecodeError:
        return None if must_be else _decode(body, "windows-1252", is_whole=is_whole, errors="replace")
    return None if must_be and "\0" in text else text


def _marked(body: bytes) -> str | None:
    """The encoding that the body's first bytes declare, which goes before the header."""
    return next((encoding for mark, encoding in _BOMS if body.startswith(mark)), None)


def _decode(body: bytes, encoding: str, *, is_whole: bool, errors: str) -> str:
    """A truncated body may end within a character, which is then left out."""
    return codecs.getincrementaldecoder(encoding)(errors).decode(body, final=is_whole)


def _known_charset(charset: str | None) -> str | None:
    if charset is None:
        return None
    try:
        info = codecs.lookup(charset.strip("'\" "))
    except (LookupError, ValueError):
        return None
    is_text = getattr(info, "_is_text_encoding", False) and info.incrementaldecoder is not None
    if not is_text or info.name.replace("-", "_") in _NOT_CHARSETS:
        return None
    return "windows-1252" if info.name == "iso8859-1" else info.name  # as browsers do (WHATWG)


def _json_or_text(text: str) -> object:
    """The parsed value, if it can be written again as JSON; else the text as it came."""
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_no_constant)
        if text.count("[") + text.count("{") > MAX_JSON_DEPTH and not _is_shallow(value):
            return text
        if "\\u" in text or "\\U" in text:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate could not be stored
    except (ValueError, RecursionError):
        return text
    return value


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("beyond a float")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return True
    return False


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
