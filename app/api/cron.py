"""/api/cron"""

from __future__ import annotations

from flask import Blueprint, Response

from app.api.context import context
from app.api.parsing import json_body
from app.api.responses import Preview
from app.api.shapes import answer, write
from app.domain.times import to_rfc3339

blueprint = Blueprint("cron", __name__, url_prefix="/api/cron")


@blueprint.post("/preview")
def preview() -> Response:
    """Describe a cron expression and list its next firings. Creates nothing."""
    description, runs = context().schedules.preview(json_body())
    values = {"description": description, "next_runs": [to_rfc3339(ms) for ms in runs]}
    return answer(write(Preview, values))
