"""Serves pages and the files they load, with their security policy and cache lifetime."""

from __future__ import annotations

from pathlib import Path

from flask import Response

from app.api.conditional import conditional
from app.api.problems import Refused

#: A page may load only its own scripts, styles and images (or `data:` images), and connect only to its own origin.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WEEK_SECONDS = 604_800
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def send_page_file(folder: Path, name: str, *, max_age_seconds: int = 0) -> Response:
    """A file of a page, with an ETag. Without a maximum age, browsers revalidate it on every use."""
    path = folder / name
    response = Response(path.read_bytes(), content_type=TYPES[path.suffix])
    response.headers["Cache-Control"] = f"public, max-age={max_age_seconds}" if max_age_seconds else "no-cache"
    return conditional(response)


def names_in(folder: Path) -> frozenset[str]:
    """Names of the files that may be served. Only these names are ever joined to a path."""
    return frozenset(path.name for path in folder.iterdir() if path.suffix in TYPES)


def no_such_file() -> Refused:
    """The error for a file that is not served."""
    return Refused(404, "file not found")
