"""The input and the output of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as the task describes it.

    `data`: None means no body. A str is sent as is, in the charset of the content type (UTF-8 without one). Anything
    else is sent as JSON, or as a form if the content type says so. `headers` take strings, numbers and booleans;
    `params` take arrays of them too. `timeout_seconds` covers the whole exchange: DNS, connect, TLS, sending, waiting,
    every byte, every hop.
    """

    method: str
    url: str
    headers: Mapping[str, object]
    params: Mapping[str, object]
    data: object | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Response:
    """The last hop's answer.

    `body` is parsed JSON, text, or base64 text (then `body_encoding` is "base64"); None when no byte of a
    body came. `url` is where the answer came from. Header names are spelled as the target spelled them; a
    name that came twice is joined with ", ".
    """

    status_code: int
    headers: dict[str, str]
    body: object | str | None
    body_encoding: str | None
    body_truncated: bool
    url: str
    elapsed_ms: float

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its spelling; None if it did not come."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    def as_result(self) -> dict[str, object]:
        """The `result` of an API task; `body_encoding` only where it is set."""
        result: dict[str, object] = {
            "status_code": self.status_code,
            "headers": self.headers,
            "body": self.body,
            "body_truncated": self.body_truncated,
            "url": self.url,
            "elapsed_ms": self.elapsed_ms,
        }
        if self.body_encoding is not None:
            result["body_encoding"] = self.body_encoding
        return result
