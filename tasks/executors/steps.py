"""The spans of an attempt's steps: in the sandbox, and of its HTTP requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.http import shown_url

if TYPE_CHECKING:
    from app.tracing.spans import Span

#: The error of a step that the service, not the task, has failed in.
DEFECT = "ExecutorError"


class SandboxSteps:
    """Makes a span of each step below `parent`. A step ends when the next one begins."""

    def __init__(self, parent: Span) -> None:
        self._parent = parent
        self._step: Span | None = None

    def step(self, name: str) -> None:
        """A step begins."""
        self._end_step()
        self._step = self._parent.begin(f"sandbox {name}", {})

    def end(self, error_type: str | None = None) -> None:
        """The last step has ended, with the error of its attempt if that failed."""
        self._end_step(error_type)

    def _end_step(self, error_type: str | None = None) -> None:
        if self._step is not None:
            if error_type is not None:
                self._step.fail(error_type)
            self._step.end()
        self._step = None


class HttpSteps:
    """Makes a span of each request below `parent`, and a span of each step below that of its request."""

    def __init__(self, parent: Span) -> None:
        self._parent = parent
        self._hop: Span | None = None
        self._step: Span | None = None
        self._redirects = -1

    def hop(self, method: str, url: str, host: str, port: int) -> None:
        """A request begins."""
        self.end()
        self._redirects += 1
        self._hop = self._parent.begin(
            method,
            {
                "http.request.method": method,
                "url.full": shown_url(url),
                "server.address": host,
                "server.port": port,
                **({"http.request.resend_count": self._redirects} if self._redirects else {}),
            },
            is_call=True,
        )

    def step(self, name: str) -> None:
        """A step begins."""
        if self._step is not None:
            self._step.end()
        self._step = None if self._hop is None else self._hop.begin(f"http {name}", {})

    def answered(self, status_code: int) -> None:
        """The head of the answer has arrived."""
        if self._hop is not None:
            self._hop.set({"http.response.status_code": status_code})
            if status_code >= 400:
                self._hop.fail(str(status_code))

    def end(self, error_type: str | None = None) -> None:
        """The request has ended, with an error if no answer came."""
        for span in (self._step, self._hop):
            if span is not None:
                if error_type is not None:
                    span.fail(error_type)
                span.end()
        self._step = self._hop = None
