"""gzip for large answers, with bounded work: at the fastest level, and not beyond a size.

No answer holds a secret that a page of another site could guess byte by byte from compressed sizes: keys travel in
headers, and a browser adds none by itself.
"""

from __future__ import annotations

import gzip

from flask import Response, request

MIN_BYTES = 2_048
#: About 100 ms of work; larger answers are sent as they are.
MAX_BYTES = 8_388_608
LEVEL = 1
TYPES = frozenset(
    {
        "application/json",
        "application/problem+json",
        "text/html",
        "text/css",
        "text/javascript",
        "image/svg+xml",
    }
)


def compress(response: Response) -> Response:
    """The answer, compressed if that is worthwhile and the caller accepts gzip."""
    if response.is_streamed or response.status_code in (204, 304):
        return response
    length = response.calculate_content_length()
    if length is None or not MIN_BYTES <= length <= MAX_BYTES or response.mimetype not in TYPES:
        return response
    body = response.get_data()
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.best_match(["gzip"]) and "Content-Encoding" not in response.headers:
        response.set_data(gzip.compress(body, LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response
