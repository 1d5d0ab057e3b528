"""Reads and drops the rest of a refused request's body.

Many clients look for an answer only after they have sent everything. The server closes a connection whose body was not
read, and then such a client sees a broken connection instead of the reason.
"""

from __future__ import annotations

from flask import Flask, Request, Response

from app.api.context import current_request
from app.api.guard import is_admitted

#: What is read of one body. Beyond that, the sender has to find out by itself.
MAX_DROPPED_BYTES = 67_108_864
_PIECE_BYTES = 65_536


def install(web: Flask) -> None:
    """Drop what is unread after each refusal by `web`."""
    web.after_request(_drop)


def _drop(response: Response) -> Response:
    # Whoever may not call does not occupy a thread by sending slowly.
    if response.status_code >= 400 and is_admitted() and _is_coming(current_request()):
        _read_to_end(current_request())
    return response


def _is_coming(request: Request) -> bool:
    """Whether a body of bearable length was sent. With `Expect`, its sender waits for the answer first."""
    if "100-continue" in request.headers.get("Expect", "").lower():
        return False
    length = request.content_length
    return "Transfer-Encoding" in request.headers if length is None else 0 < length <= MAX_DROPPED_BYTES


def _read_to_end(request: Request) -> None:
    body, left = request.environ["wsgi.input"], MAX_DROPPED_BYTES
    while left > 0 and (piece := body.read(min(left, _PIECE_BYTES))):
        left -= len(piece)
