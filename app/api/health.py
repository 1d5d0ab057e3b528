"""/health and /openapi.json"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.api.context import context
from app.api.openapi import document
from app.api.problems import RETRY_AFTER_SECONDS
from app.api.shapes import answer

blueprint = Blueprint("service", __name__)


@blueprint.get("/health")
@blueprint.get("/api/health")
def health() -> Response:
    """Whether all parts are there, and each of them."""
    report = context().health.report()
    return _answer(report, is_ok=report["status"] == "ok")


@blueprint.get("/health/live")
def live() -> Response:
    """200 as long as the process serves."""
    return answer({"status": "ok"})


@blueprint.get("/health/ready")
def ready() -> Response:
    """200 when a created task would run."""
    is_ready = context().health.is_ready()
    return _answer({"status": "ok" if is_ready else "unavailable"}, is_ok=is_ready)


def _answer(report: dict[str, Any], *, is_ok: bool) -> Response:
    return answer(report) if is_ok else answer(report, 503, **{"Retry-After": str(RETRY_AFTER_SECONDS)})


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The document that describes every call."""
    return answer(document())
