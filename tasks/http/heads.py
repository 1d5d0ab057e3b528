"""Reading the head of an answer in one pass, as leniently as browsers do."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from typing import BinaryIO

from urllib3 import HTTPHeaderDict

MAX_LINE_BYTES = 65_536
MAX_HEADER_LINES = 1_000
"""Bounds the work per line; the exchange bounds the bytes of the head."""

_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(r"[0-9]{1,18}")


def read_headers(stream: BinaryIO) -> HTTPHeaderDict:
    """Read the headers up to the empty line, as Latin-1 text, which preserves every byte.

    White space around names and values is removed, folded values are joined by a space, lines without a name are
    skipped. Raises http.client.HTTPException for a line that is not a header, and for an incomplete head.
    """
    headers = HTTPHeaderDict()
    name, parts = "", [""]
    for line in _lines(stream):
        if line[0] in " \t":
            if not name:
                raise http.client.HTTPException("the first header begins with white space")
            parts.append(line.strip(" \t"))
            continue
        _add(headers, name, parts)
        name, parts = _split(line)
    _add(headers, name, parts)
    return headers


def body_length(headers: HTTPHeaderDict) -> int | None:
    """Return the value of Content-Length, or None without a valid one. Raises HTTPException if two values differ."""
    lengths = {value.strip() for line in headers.getlist("Content-Length") for value in line.split(",", 10)}
    if len(lengths) > 1:
        raise http.client.HTTPException("two lengths")
    length = next(iter(lengths), "")
    return int(length) if _LENGTH.fullmatch(length) else None


def is_chunked(headers: HTTPHeaderDict) -> bool:
    """Tell whether the last transfer coding is `chunked`."""
    return str(headers.get("Transfer-Encoding", "")).rpartition(",")[2].strip().lower() == "chunked"


def readable(value: str) -> str:
    """Return a header's Latin-1 text as the sender meant it: as UTF-8 if it is valid UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _lines(stream: BinaryIO) -> Iterator[str]:
    for _ in range(MAX_HEADER_LINES + 1):
        line = stream.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            raise http.client.LineTooLong("header line")
        if not line:
            raise http.client.IncompleteRead(b"")
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return
        yield text
    raise http.client.HTTPException("too many headers")


def _split(line: str) -> tuple[str, list[str]]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or _FORBIDDEN_IN_NAME.search(name):
        raise http.client.HTTPException("a line that is no header")
    return name, [value.strip(" \t")]


def _add(headers: HTTPHeaderDict, name: str, parts: list[str]) -> None:
    if name:
        headers.add(name, " ".join(parts) if len(parts) > 1 else parts[0])
