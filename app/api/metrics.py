"""/metrics"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from flask import Blueprint, Response, request
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from app.api.context import context
from app.domain.errors import Unavailable
from app.domain.metrics import Metric
from app.usecases.metrics import Histogram, Sample

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """All figures, in Prometheus' text format or, if the client accepts it, that of OpenMetrics."""
    with suppress(Unavailable):
        context().request_counts.flush()  # so that the answer of this process includes its own latest requests
    return metrics_response()


def metrics_response() -> Response:
    """The response. If Redis can't be reached, it says that."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    response = Response(encode(_Collector(context().metrics.read())), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


class _Collector:
    """What an encoder of prometheus_client asks for the metrics."""

    def __init__(self, found: dict[Metric, list[Sample]]) -> None:
        self._found = found

    def collect(self) -> Iterator[Family]:
        for metric, samples in self._found.items():
            yield _family(metric, samples)


def _family(metric: Metric, samples: list[Sample]) -> Family:
    family = Family(metric.name, metric.help, metric.type)
    for values, value in samples:
        labels = dict(zip(metric.labels, values, strict=True))
        if not isinstance(value, Histogram):
            family.add_sample(metric.full_name, labels, value)
            continue
        for bound_ms, count in zip(value.bounds_ms, value.counts, strict=True):
            family.add_sample(f"{metric.name}_bucket", {**labels, "le": _bound(bound_ms)}, count)
        family.add_sample(f"{metric.name}_count", labels, value.counts[-1])
        family.add_sample(f"{metric.name}_sum", labels, value.sum_seconds)
    return family


def _bound(bound_ms: float) -> str:
    """A bound as Prometheus writes numbers, in seconds."""
    return str(floatToGoString(bound_ms / 1000))  # type: ignore[no-untyped-call]
