"""Traces (OpenTelemetry), which the setting TRACING switches on. See docs/tracing.md and docs/decisions/0032.

Only `spans.py` imports the packages, and only `start_tracing` imports `spans.py`. Whoever traces gets a `Tracing`, or
None: where it is None, nothing is imported, and nothing is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from app.tracing.spans import Tracing

MISSING = (
    "TRACING is on, but a package that it needs is not installed ({}): install opentelemetry-sdk and "
    "opentelemetry-exporter-otlp-proto-http (requirements-tracing.txt pins them), or set TRACING=off"
)


def start_tracing(settings: Settings, service_name: str) -> Tracing | None:
    """The traces of this process, or None if they are off. Call it after forking.

    service_name: what OTEL_SERVICE_NAME replaces. Raises SettingsError if a package is missing.
    """
    if settings.tracing == "off":
        return None
    try:
        from app.tracing import spans
    except ModuleNotFoundError as error:
        raise SettingsError(MISSING.format(error.name)) from None
    return spans.Tracing(service_name)
