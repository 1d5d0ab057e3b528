"""/health and /openapi.json"""

from __future__ import annotations

from flask import Blueprint, Response

from app.api.context import context
from app.api.openapi import document
from app.api.shapes import answer

blueprint = Blueprint("service", __name__)


@blueprint.get("/health")
@blueprint.get("/api/health")
def health() -> Response:
    """Whether all parts are there, and each of them."""
    report = context().health.report()
    return answer(report, 200 if report["status"] == "ok" else 503)


@blueprint.get("/health/live")
def live() -> Response:
    """200 as long as the process serves."""
    return answer({"status": "ok"})


@blueprint.get("/health/ready")
def ready() -> Response:
    """200 when a created task would run."""
    is_ready = context().health.is_ready()
    return answer({"status": "ok" if is_ready else "unavailable"}, 200 if is_ready else 503)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The document that describes every call."""
    return answer(document())
