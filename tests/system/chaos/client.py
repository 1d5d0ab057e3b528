"""The API as a caller meets it while everything dies: an answer, or none."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

ANSWER_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON (None without a body). Status 0: none came, or only one of a proxy on the way, so
    nobody knows what was done.
    """

    status: int
    body: Any = field(default=None, repr=False)

    @property
    def is_unsure(self) -> bool:
        """Whether it may have been done or not. A 503 may follow a write whose answer was lost."""
        return self.status in (0, 503)

    @property
    def says_nothing_was_done(self) -> bool:
        """Whether it is a 503 that promises so."""
        return self.status == 503 and "nothing was" in self.body["detail"]


class Caller:
    """Calls the API at an address, each time on a new connection, with a key if there is one. Thread-safe."""

    def __init__(self, address: tuple[str, int], key: str | None = None) -> None:
        self._address = address
        self._headers = {} if key is None else {"X-API-Key": key}

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One call."""
        connection = http.client.HTTPConnection(*self._address, timeout=ANSWER_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **self._headers, **headers})
            response = connection.getresponse()
            text = response.read()
            is_ours = response.getheader("X-Request-Id") is not None
            return Answer(response.status, json.loads(text) if text else None) if is_ours else Answer(0)
        except (OSError, http.client.HTTPException):
            return Answer(0)
        finally:
            connection.close()
