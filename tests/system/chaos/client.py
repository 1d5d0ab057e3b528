"""The API as a caller meets it while everything dies: an answer, or none."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

ANSWER_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON (None without a body). Status 0: none came, so nobody knows what was done."""

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
    """Calls the API at a port of this machine, each time on a new connection. Thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One call."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            text = response.read()
            return Answer(response.status, json.loads(text) if text else None)
        except (OSError, http.client.HTTPException):
            return Answer(0)
        finally:
            connection.close()
