"""The web console: one page of plain ES modules on top of the HTTP API.

The console has no privileges of its own and no build step. It reads all its data from /api like any other client. Task
data enters the page only as text (`textContent`), which the page's policy enforces (Trusted Types).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flask import Blueprint, Response

from app.api.pages import names_in, no_such_file, send_page_file

blueprint = Blueprint("console", __name__)

_FOLDER = Path(__file__).parent / "static"


@cache
def _names() -> frozenset[str]:
    return names_in(_FOLDER) - {"console.html"}


@blueprint.get("/")
def page() -> Response:
    """The page."""
    return send_page_file(_FOLDER, "console.html")


@blueprint.get("/static/<name>")
def static_file(name: str) -> Response:
    """A file of the page."""
    if name not in _names():
        raise no_such_file()
    return send_page_file(_FOLDER, name)
