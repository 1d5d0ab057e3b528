"""Calls of the HTTP API, for commands."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.apply.printable import printable

TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES = 16_777_216
PAGE = 200
CREATED = 201
#: Answers that ask for another try, and how often and how long at most they get one.
TRY_AGAIN = (429, 503)
MOST_TRIES = 5
MOST_SECONDS = 30.0
MOST_PAGES = 5_000
NOT_OURS = "is this the URL of Celeriac?"


class ServiceError(Exception):
    """The service can't be reached, or refuses; the message says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key must not go anywhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


class ServiceClient:
    """The service at `url`. Raises ServiceError."""

    def __init__(self, url: str, api_key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ServiceError("the URL of the service must be like https://tasks.example:5001")
        if "@" in parts.netloc:
            raise ServiceError("the URL of the service must have no user or password")
        if not (api_key.isascii() and api_key.isprintable()):  # http.client would tell the key
            raise ServiceError("the key has characters that no key has, such as a line end")
        self._url = url.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._sleep = sleep

    def schedules(self) -> Iterator[dict[str, Any]]:
        """All scheduled tasks, as they are listed."""
        cursor = None
        for _ in range(MOST_PAGES):
            query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            page = self.call("GET", f"/api/scheduled-tasks?{urlencode(query)}")
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise ServiceError(f"the answer is not a list of scheduled tasks: {NOT_OURS}")
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def schedule(self, schedule_id: str) -> dict[str, Any]:
        """One scheduled task, whole."""
        return dict(self.call("GET", f"/api/scheduled-tasks/{schedule_id}"))

    def put(self, key: str, body: Any) -> tuple[dict[str, Any], bool]:
        """Create the scheduled task with this key, or change it to `body`. Returns it, and whether it is new."""
        status, answer = self._answer("PUT", f"/api/scheduled-tasks/by-key/{quote(key, safe='')}", body)
        return dict(answer), status == CREATED

    def act(self, schedule_id: str, action: str) -> None:
        """`pause` or `resume` it."""
        self.call("POST", f"/api/scheduled-tasks/{schedule_id}/{action}")

    def delete(self, schedule_id: str) -> None:
        """Delete it."""
        self.call("DELETE", f"/api/scheduled-tasks/{schedule_id}")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a successful answer, None for an empty one."""
        return self._answer(method, path, body)[1]

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({} if data is None else {"Content-Type": "application/json"})
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - checked above
        for left in reversed(range(MOST_TRIES)):
            status, head, answer = self._exchange(request)
            if status not in TRY_AGAIN or not left:
                break
            self._sleep(_pause(head))
        if 200 <= status < 300:
            return status, _parsed(answer) if answer else None
        raise ServiceError(_reason(status, answer))

    def _exchange(self, request: urllib.request.Request) -> tuple[int, Message, bytes]:
        try:
            try:
                with self._opener.open(request, timeout=TIMEOUT_SECONDS) as reply:
                    return reply.status, reply.headers, _read(reply)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.headers, _read(error)
        except urllib.error.URLError as error:
            raise ServiceError(f"{self._url} can't be reached: {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise ServiceError(f"{self._url} can't be reached: {error}") from error


def _read(reply: Any) -> bytes:
    data: bytes = reply.read(MAX_ANSWER_BYTES + 1)
    if len(data) > MAX_ANSWER_BYTES:
        raise ServiceError("the answer is too large")
    return data


def _pause(head: Message) -> float:
    text = head.get("Retry-After", "")
    return min(float(text), MOST_SECONDS) if text.isdigit() else 1.0


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        raise ServiceError(f"the answer is not JSON: {NOT_OURS}") from None


def _reason(status: int, answer: bytes) -> str:
    try:
        problem = json.loads(answer)
        wrong = [f"{each['field']} {each['message']}" for each in problem.get("errors", [])]
        text = "; ".join([str(problem["detail"]), *wrong])
    except (ValueError, KeyError, TypeError, AttributeError):
        text = NOT_OURS
    return f"{status}: {printable(text[:2_000])}"
