"""/health and /openapi.json"""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response
from pydantic import BaseModel

from app.api.context import context
from app.api.openapi import document
from app.api.problems import RETRY_AFTER_SECONDS
from app.api.responses import Health, Readiness
from app.api.shapes import answer, write
from app.domain.errors import Unavailable

blueprint = Blueprint("service", __name__)


@blueprint.get("/health")
@blueprint.get("/api/health")
def health() -> Response:
    """Overall health, and the health of each component."""
    report = context().health.report()
    return _answer(Health, report, is_ok=report["status"] == "ok")


def health_without_redis(error: Unavailable) -> Response:
    """The response of `/health` if Redis can't be reached."""
    return _answer(Health, context().health.report_without_redis(error), is_ok=False)


@blueprint.get("/health/live")
def live() -> Response:
    """200 as long as the process handles requests."""
    return answer(write(Readiness, {"status": "ok"}))


@blueprint.get("/health/ready")
def ready() -> Response:
    """200 if an accepted task would run."""
    is_ready = context().health.is_ready()
    return _answer(Readiness, {"status": "ok" if is_ready else "unavailable"}, is_ok=is_ready)


def _answer(model: type[BaseModel], report: dict[str, Any], *, is_ok: bool) -> Response:
    body = write(model, report)
    return answer(body) if is_ok else answer(body, 503, **{"Retry-After": str(RETRY_AFTER_SECONDS)})


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document of this service."""
    return answer(json.dumps(document(), ensure_ascii=False).encode())
