"""/docs: the OpenAPI document in Swagger UI. The files of Swagger UI come from a package, so the page works offline."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from flask import Blueprint, Response

from app.api.pages import KEEP_A_WEEK, names_in, no_such_file, send_page_file

blueprint = Blueprint("docs", __name__, url_prefix="/docs")

_OWN = Path(__file__).parent / "docs_static"
#: The few files of the package that the page needs.
_SWAGGER_FILES = frozenset({"swagger-ui-bundle.js", "swagger-ui.css"})


@cache
def _swagger_folder() -> Path:
    """The folder of Swagger UI in the package `swagger_ui`. The package's own code, a server, is not imported."""
    spec = importlib.util.find_spec("swagger_ui")
    assert spec is not None, "the package swagger_ui_py is not installed"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "static"


@cache
def _own_files() -> frozenset[str]:
    return names_in(_OWN)


@blueprint.get("")
def page() -> Response:
    """The page."""
    return send_page_file(_OWN, "docs.html")


@blueprint.get("/static/<name>")
def static_file(name: str) -> Response:
    """A file of the page. Files of Swagger UI change only with the installation; ours change with every version."""
    if name in _SWAGGER_FILES:
        return send_page_file(_swagger_folder(), name, KEEP_A_WEEK)
    if name in _own_files():
        return send_page_file(_OWN, name)
    raise no_such_file()
