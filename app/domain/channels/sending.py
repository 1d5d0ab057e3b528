"""What a channel's module exchanges with the code that sends: a request or a mail, an answer, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sending:
    """One try to send a notice.

    id: of the delivery; the same for every try. now_ms: when the try begins.
    """

    id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """A POST with a JSON body. `url` and `headers` may contain secrets and appear in no record or log."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class MailMessage:
    """A mail, and the server that takes it. With `is_tls` the connection begins with TLS; else STARTTLS is required."""

    host: str
    port: int
    is_tls: bool
    username: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an HttpMessage. `body`: parsed JSON, text, or None. `retry_after_seconds`: of its Retry-After."""

    status_code: int
    body: Any = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    is_final: a failure that another try would meet as well. retry_after_seconds: how long the channel wants to be left
    alone, None for the usual pause. error: in words of ours, with codes of the channel, never text of its answer.
    """

    is_delivered: bool
    is_final: bool = False
    retry_after_seconds: float | None = None
    error: str = ""


DELIVERED = Verdict(is_delivered=True)
#: Statuses that a later try may not meet.
_PASSING_STATUSES = frozenset({408, 425, 429, *range(500, 600)})


def by_status(answer: Answer) -> Verdict:
    """The verdict of a channel that speaks by status codes alone."""
    if 200 <= answer.status_code < 300:
        return DELIVERED
    is_passing = answer.status_code in _PASSING_STATUSES
    return Verdict(
        is_delivered=False,
        is_final=not is_passing,
        retry_after_seconds=answer.retry_after_seconds if is_passing else None,
        error=f"the channel answered {answer.status_code}",
    )


@dataclass(frozen=True, slots=True)
class Codes:
    """How a channel reports failures in the body of an answer with status 200, and limits with any status.

    places: the members that may hold the code; 0 is success. busy: codes of a limit, with the seconds to wait. passing:
    codes of other failures that a later try may not meet. meanings: what final codes mean.
    """

    places: tuple[str, ...]
    busy: Mapping[int, float]
    passing: frozenset[int]
    meanings: Mapping[int, str]

    def verdict(self, answer: Answer) -> Verdict:
        """The verdict by the code of a limit, then by status, then by other codes."""
        code = self._code(answer.body)
        if code is not None and code in self.busy:
            asked = answer.retry_after_seconds
            seconds = self.busy[code] if asked is None else asked
            return Verdict(is_delivered=False, retry_after_seconds=seconds, error=f"too many messages (code {code})")
        found = by_status(answer)
        if not found.is_delivered:
            return found
        if code == 0:
            return DELIVERED
        if code is None:
            return Verdict(is_delivered=False, error="the answer has no code: is the URL that of a bot?")
        meaning = self.meanings.get(code, "the channel refused the message")
        return Verdict(is_delivered=False, is_final=code not in self.passing, error=f"{meaning} (code {code})")

    def _code(self, body: Any) -> int | None:
        if not isinstance(body, dict):
            return None
        found = (body.get(place) for place in self.places)
        return next((code for code in found if isinstance(code, int) and not isinstance(code, bool)), None)
