"""`X-Request-Id`: one name for a request in its answer, in problem documents and in every line of the log."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, request

from app import logs

HEADER = "X-Request-Id"
MAX_LENGTH = 128
_SAFE = re.compile(rf"[A-Za-z0-9._~:/+=@-]{{1,{MAX_LENGTH}}}", re.ASCII)


def install(web: Flask) -> None:
    """Name every request of `web`. Install this first, so that refusals have the id too."""
    web.before_request(_begin)
    web.after_request(_tell)
    web.teardown_request(_end)


def current() -> str:
    """The id of the current request."""
    return logs.REQUEST_ID.get()


def chosen(given: str) -> str:
    """The caller's id if it is short and harmless in a log and a header; otherwise a new one."""
    return given if _SAFE.fullmatch(given) else secrets.token_hex(16)


def _begin() -> None:
    logs.REQUEST_ID.set(chosen(request.headers.get(HEADER, "")))


def _tell(response: Response) -> Response:
    response.headers[HEADER] = current()
    return response


def _end(_: BaseException | None) -> None:
    logs.REQUEST_ID.set("")
