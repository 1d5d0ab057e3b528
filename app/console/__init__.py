"""The web console: one page of plain ES modules over the HTTP API.

It has no rights of its own and no build step; what it shows it reads from /api like any other caller. Data of
tasks reaches the page as text only (`textContent`), which the page's own policy enforces (Trusted Types).
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
