"""The web console: one page of plain ES modules on top of the HTTP API.

The console has no privileges of its own and no build step. It reads all its data from /api like any other client. Task
data enters the page only as text (`textContent`), which the page's policy enforces (Trusted Types).

The page names its files in a folder whose name changes when one of them does, and modules import each other from where
they are. So a browser keeps them all, and asks for nothing but the page when it is opened again.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flask import Blueprint, Response

from app.api.pages import ASK_AGAIN, KEEP, edition_of, names_in, no_such_file, send_page, send_page_file

blueprint = Blueprint("console", __name__)

_FOLDER = Path(__file__).parent / "static"


@cache
def _names() -> frozenset[str]:
    return names_in(_FOLDER) - {"console.html"}


@blueprint.get("/")
def page() -> Response:
    """The page, with the links to its files in their present edition."""
    html = (_FOLDER / "console.html").read_bytes()
    return send_page(html.replace(b'"/static/', f'"/static/{edition_of(_FOLDER, _names())}/'.encode()), ".html")


@blueprint.get("/static/<name>", defaults={"edition": ""})
@blueprint.get("/static/<edition>/<name>")
def static_file(edition: str, name: str) -> Response:
    """A file of the page. A page from before an upgrade, which names another edition, gets what there is."""
    if name not in _names():
        raise no_such_file()
    return send_page_file(_FOLDER, name, KEEP if edition == edition_of(_FOLDER, _names()) else ASK_AGAIN)
