"""CORS: which pages of other sites may call the API from a browser. None unless `CORS_ORIGINS` lists them.

Keys travel in headers and never in cookies, so `Access-Control-Allow-Credentials` is not sent.
"""

from __future__ import annotations

from flask import Flask, Response, request

from app.api.methods import allowed_methods
from app.settings import Settings

PREFLIGHT_SECONDS = 600
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-API-Key",
    "X-Request-Id",
)
RESPONSE_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
)


class Cors:
    """Answers preflight requests, and marks the answers that listed pages may read."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(settings.cors_origins)

    def install(self, web: Flask) -> None:
        """Install this before the check of keys: browsers send none with a preflight request."""
        if self._origins:
            web.before_request(self._preflight)
            web.after_request(self._add_headers)

    def _preflight(self) -> Response | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not (is_preflight and self._is_listed() and request.routing_exception is None):
            return None
        headers = {
            "Access-Control-Allow-Methods": ", ".join(allowed_methods()),
            "Access-Control-Allow-Headers": ", ".join(REQUEST_HEADERS),
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
        return Response(status=204, headers=headers)

    def _add_headers(self, response: Response) -> Response:
        response.vary.add("Origin")
        if self._is_listed():
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = ", ".join(RESPONSE_HEADERS)
        return response

    def _is_listed(self) -> bool:
        return request.headers.get("Origin", "").lower() in self._origins
