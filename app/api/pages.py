"""Serves pages and the files they load, with their security policy and cache lifetime."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Response

from app.api.conditional import conditional
from app.api.problems import Refused

#: A page may load only its own scripts, styles and images (or `data:` images), and connect only to its own origin.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: How long a browser uses the file that it has: never without asking, a week, or until the address changes.
ASK_AGAIN = "no-cache"
KEEP_A_WEEK = "public, max-age=604800"
KEEP = "public, max-age=31536000, immutable"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def send_page_file(folder: Path, name: str, cache_control: str = ASK_AGAIN) -> Response:
    """A file of a page, with an ETag."""
    path = folder / name
    return send_page(path.read_bytes(), path.suffix, cache_control)


def send_page(content: bytes, suffix: str, cache_control: str = ASK_AGAIN) -> Response:
    """What a file with this suffix would hold, with an ETag."""
    response = Response(content, content_type=TYPES[suffix])
    response.headers["Cache-Control"] = cache_control
    return conditional(response)


def edition_of(folder: Path, names: frozenset[str]) -> str:
    """A word for what these files hold at present, the same on every host. It is read anew when a file has changed."""
    files = [(folder / name, (folder / name).stat()) for name in sorted(names)]
    return _hash_of(tuple((path, found.st_mtime_ns, found.st_size) for path, found in files))


@lru_cache(maxsize=1)
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for path, _, size in files:
        found.update(f"{path.name} {size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def names_in(folder: Path) -> frozenset[str]:
    """Names of the files that may be served. Only these names are ever joined to a path."""
    return frozenset(path.name for path in folder.iterdir() if path.suffix in TYPES)


def no_such_file() -> Refused:
    """The error for a file that is not served."""
    return Refused(404, "file not found")
