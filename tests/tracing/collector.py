"""A collector: an OTLP/HTTP receiver on loopback that keeps the spans it is sent."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.servers import HttpTarget

WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Sent:
    """A span as it arrived. Ids are hexadecimal, as in `traceparent`."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    links: list[tuple[str, str]]
    state: str
    values: dict[str, Any]
    is_failed: bool
    began_ns: int
    ended_ns: int


class Collector:
    """The spans that have arrived, and how many requests brought them."""

    def __init__(self) -> None:
        self.spans: list[Sent] = []
        self.requests = 0
        self.url = ""
        self._changed = threading.Condition()

    def take(self, body: bytes) -> None:
        """Take the body of a request."""
        spans = list(_read(ExportTraceServiceRequest.FromString(body)))
        with self._changed:
            self.spans += spans
            self.requests += 1
            self._changed.notify_all()

    def wait_for(self, count: int, what: Callable[[Sent], object]) -> list[Sent]:
        """The first spans of which `what` is true, once there are that many."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self._changed:
            while len(found := [span for span in self.spans if what(span)]) < count:
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() > deadline:
                    names = [span.name for span in self.spans]
                    pytest.fail(f"{len(found)} of {count} spans have arrived; all that have: {names}")
            return found

    def of_task(self, task_id: str, attempts: int = 1) -> list[Sent]:
        """The spans of a task's attempts."""
        return self.wait_for(attempts, lambda span: span.values.get("messaging.message.id") == task_id)

    def below(self, parent: Sent, count: int) -> list[Sent]:
        """The spans directly below another one, in the order in which they began."""
        found = self.wait_for(count, lambda span: span.parent_id == parent.span_id)
        return sorted(found, key=lambda span: span.began_ns)

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[Self]:
        """A collector that serves during the block."""
        collector = cls()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                assert self.path == "/v1/traces", self.path
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        with HttpTarget(Handler).serving() as target:
            collector.url = target.url
            yield collector


def _read(request: Any) -> Iterator[Sent]:
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Sent(
                    service=service,
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=span.kind,
                    links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    state=span.trace_state,
                    values=_values(span.attributes),
                    is_failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    began_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
