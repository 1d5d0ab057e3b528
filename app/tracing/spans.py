"""Spans, by the SDK of OpenTelemetry. The only module that imports it; docs/tracing.md lists the spans.

Spans go to a bounded queue, from which a thread of the SDK sends them to the collector. If the queue is full, or the
collector does not answer, spans are lost, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from app.domain.trace import PARENT_HEADER, STATE_HEADER, TraceContext
from app.version import VERSION

#: How long the end of a process may take because of spans that have not been sent.
CLOSE_SECONDS = 2.0
#: The service name of the SDK begins so where nobody has set one.
UNKNOWN_SERVICE = "unknown_service"

Value = str | bool | int | float
Values = Mapping[str, Value]

_HEADERS = TraceContextTextMapPropagator()


class Span:
    """A span that has begun. Use it in the thread that began it."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span

    def set(self, values: Values) -> None:
        """Set attributes."""
        self._span.set_attributes(values)

    def fail(self, error_type: str) -> None:
        """Mark it as failed. A message is left out: it may hold secrets of callers."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR, error_type))

    def begin(self, name: str, values: Values, *, is_call: bool = False) -> Span:
        """A span below this one. `is_call`: whether it is a request to another service."""
        kind = SpanKind.CLIENT if is_call else SpanKind.INTERNAL
        context = trace.set_span_in_context(self._span)
        return Span(self._tracer, self._tracer.start_span(name, context, kind, values))

    @property
    def headers(self) -> dict[str, str]:
        """The headers `traceparent` and, if it has a state, `tracestate` that name it to others."""
        headers: dict[str, str] = {}
        _HEADERS.inject(headers, trace.set_span_in_context(self._span))
        return headers

    @property
    def context(self) -> TraceContext:
        """What its headers say."""
        headers = self.headers
        return TraceContext(headers.get(PARENT_HEADER, ""), headers.get(STATE_HEADER, ""))

    def end(self) -> None:
        """End it."""
        self._span.end()

    @contextmanager
    def as_current(self) -> Iterator[None]:
        """It is the current span of this thread during the block, and ends with it."""
        with trace.use_span(self._span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield


class Tracing:
    """The traces of this process. Thread-safe. The standard variables OTEL_… configure everything but the names."""

    def __init__(self, service_name: str) -> None:
        resource = Resource.create({SERVICE_VERSION: VERSION})
        if str(resource.attributes[SERVICE_NAME]).startswith(UNKNOWN_SERVICE):
            resource = resource.merge(Resource({SERVICE_NAME: service_name}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.sampler = LikeItsLink(self._provider.sampler)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("celeriac", VERSION)

    def begin_request(self, name: str, values: Values, caller: TraceContext) -> Span:
        """The span of a request that this process serves, below the span of its caller if that has one."""
        return self._begin(name, values, SpanKind.SERVER, context=_context_of(caller))

    def begin_linked(self, name: str, values: Values, origin: TraceContext, *, is_call: bool = False) -> Span:
        """The first span of a trace of its own, with a link to the span of the request that asked for it.

        is_call: whether it is itself a request to another service.
        """
        kind = SpanKind.CLIENT if is_call else SpanKind.CONSUMER
        link = trace.get_current_span(_context_of(origin)).get_span_context()
        links = [Link(link)] if link.is_valid else []
        return self._begin(name, values, kind, context=Context(), links=links)

    def _begin(
        self, name: str, values: Values, kind: SpanKind, *, context: Context, links: Sequence[Link] = ()
    ) -> Span:
        return Span(self._tracer, self._tracer.start_span(name, context, kind, values, links))

    def current(self) -> Span:
        """The current span of this thread; without one, a span that is never sent."""
        return Span(self._tracer, trace.get_current_span())

    def current_context(self) -> TraceContext:
        """The context of the current span of this thread; NO_TRACE without one."""
        return self.current().context

    def close(self) -> None:
        """Send what has not been sent, for CLOSE_SECONDS at most."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-end", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class LikeItsLink(Sampler):
    """Records a span with a link if the span that it is linked to is recorded, so that no link leads nowhere.

    `base`: decides about all other spans.
    """

    def __init__(self, base: Sampler) -> None:
        self._base = base

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The decision about a new span."""
        if not links:
            return self._base.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        is_recorded = links[0].context.trace_flags.sampled
        return SamplingResult(Decision.RECORD_AND_SAMPLE if is_recorded else Decision.DROP, attributes)

    def get_description(self) -> str:
        """Its name, as the SDK asks for it."""
        return f"LikeItsLink({self._base.get_description()})"


def _context_of(given: TraceContext) -> Context:
    return _HEADERS.extract({PARENT_HEADER: given.parent, STATE_HEADER: given.state}, Context())
