"""The input and the output of a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Headers = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as the task describes it.

    `data`: None means no body. Bytes are sent as they are, a str in the charset of the content type (UTF-8 without
    one). Anything else is sent as JSON, or as a form if the content type says so. `headers` take strings, numbers and
    booleans; `params` take arrays of them too. `timeout_seconds` covers the whole exchange: DNS, connect, TLS, sending,
    waiting, every byte, every hop. Without `follow_redirects`, or if its status is one of `final_statuses`, a redirect
    is the answer.
    """

    method: str
    url: str
    headers: Mapping[str, object]
    params: Mapping[str, object]
    data: object | None
    timeout_seconds: float
    follow_redirects: bool = True
    final_statuses: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect that was followed: its status, and the method and URL of the request that followed."""

    status_code: int
    method: str
    url: str

    def as_json(self) -> dict[str, object]:
        """Return the contract's shape."""
        return {"status_code": self.status_code, "method": self.method, "url": self.url}


@dataclass(frozen=True, slots=True)
class Response:
    """The last hop's answer.

    `body` is parsed JSON, text, or base64 (then `body_encoding` is "base64"); None for an empty body. `text` is the
    body as text, even if it was parsed; None if it is not text. `url` is where the answer came from. Header names keep
    the target's spelling; a header that came more than once has a list of values.
    """

    status_code: int
    headers: Headers
    body: object | str | None
    body_encoding: str | None
    body_truncated: bool
    url: str
    elapsed_ms: float
    redirects: tuple[Redirect, ...] = ()
    text: str | None = None

    def header(self, name: str) -> str | None:
        """Return the first value of a header, in any spelling; None if it did not come."""
        wanted = name.lower()
        value = next((value for key, value in self.headers.items() if key.lower() == wanted), None)
        return value[0] if isinstance(value, list) else value

    def as_result(self) -> dict[str, object]:
        """Return the `result` of an API task. `body_encoding` is left out unless it is set."""
        result: dict[str, object] = {
            "status_code": self.status_code,
            "headers": self.headers,
            "body": self.body,
            "body_truncated": self.body_truncated,
            "url": self.url,
            "redirects": [redirect.as_json() for redirect in self.redirects],
            "elapsed_ms": self.elapsed_ms,
        }
        if self.body_encoding is not None:
            result["body_encoding"] = self.body_encoding
        return result
