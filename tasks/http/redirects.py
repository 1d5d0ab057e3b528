"""The next hop, by RFC 9110, 15.4: its method, its URL, and what may travel along."""

from __future__ import annotations

from typing import Any
from urllib.parse import urldefrag, urljoin

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, get_cookie_header

from tasks.http.errors import InvalidURL
from tasks.http.urls import DEFAULT_PORTS, Target, check_url, target_of

REDIRECTS = frozenset({301, 302, 303, 307, 308})

TRAVELS_ANYWHERE = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "user-agent", "range", "cache-control",
        "content-type", "content-encoding", "content-language", "content-length",
        "idempotency-key", "celeriac-task-id", "celeriac-attempt", "traceparent", "tracestate",
    }
)  # fmt: skip
"""What another origin gets to see. A list of what is known to be harmless, since a credential may sit under
any name (X-Api-Key, Private-Token, …) and the redirecting target chooses who gets it."""

_BODY_HEADERS = frozenset({"content-type", "content-encoding", "content-language", "content-length"})


def next_hop(
    request: requests.PreparedRequest, response: requests.Response, cookies: RequestsCookieJar
) -> requests.PreparedRequest | None:
    """The request that the answer redirects to; None if it is no redirect. Raises InvalidURL.

    `cookies` are this call's only: what a hop sets, the following hops of its domain get.
    """
    location = response.headers.get("Location")
    if response.status_code not in REDIRECTS or not location:
        return None
    following = request.copy()
    following.prepare_url(_followed_url(request.url or "", location), None)
    _change_method(following, response.status_code)
    _keep_to_origin(following, target_of(request.url or ""), target_of(following.url or ""))
    _carry_cookies(request, response, following, cookies)
    return following


def _followed_url(base: str, location: str) -> str:
    """The absolute URL. http.client gives header bytes as Latin-1; servers that don't quote mean UTF-8."""
    raw = location.encode("latin-1", errors="replace")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        text = location.strip()
    try:
        url = urljoin(base, text)
    except ValueError:
        raise InvalidURL("the redirect leads to a URL that can't be parsed") from None
    check_url(url)
    fragment = urldefrag(base).fragment
    return url if not fragment or "#" in url else f"{url}#{fragment}"


def _change_method(request: requests.PreparedRequest, status_code: int) -> None:
    """303 asks for a GET; after a POST, 301 and 302 have come to mean the same. 307 and 308 never do."""
    becomes_get = (status_code == 303 and request.method != "HEAD") or (
        status_code in (301, 302) and request.method == "POST"
    )
    if becomes_get:
        request.method = "GET"
        request.body = None
        _drop(request, _BODY_HEADERS)


def _keep_to_origin(request: requests.PreparedRequest, before: Target, after: Target) -> None:
    if before == after or _is_upgrade(before, after):
        return
    _drop(request, {name.lower() for name in request.headers} - TRAVELS_ANYWHERE)


def _is_upgrade(before: Target, after: Target) -> bool:
    """http to https of the same host, both at their own ports."""
    return (
        before.host == after.host
        and (before.scheme, before.port) == ("http", DEFAULT_PORTS["http"])
        and (after.scheme, after.port) == ("https", DEFAULT_PORTS["https"])
    )


def _drop(request: requests.PreparedRequest, names: set[str] | frozenset[str]) -> None:
    for name in [name for name in request.headers if name.lower() in names]:
        del request.headers[name]


def _carry_cookies(
    request: requests.PreparedRequest,
    response: requests.Response,
    following: requests.PreparedRequest,
    cookies: RequestsCookieJar,
) -> None:
    raw: Any = response.raw
    extract_cookies_to_jar(cookies, request, raw)  # type: ignore[no-untyped-call,unused-ignore]
    if "Cookie" in following.headers and not getattr(request, "_cookie_is_ours", False):
        return  # the task's own header; it goes where its other credentials go
    following.headers.pop("Cookie", None)
    header = get_cookie_header(cookies, following)  # type: ignore[no-untyped-call,unused-ignore]
    if header:
        following.headers["Cookie"] = header
        following._cookie_is_ours = True  # type: ignore[attr-defined]
