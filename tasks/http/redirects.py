"""The next hop by RFC 9110, 15.4: its method, its URL, and the headers that may go along."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urldefrag, urljoin

import requests
from requests.cookies import MockRequest, MockResponse, RequestsCookieJar, get_cookie_header
from urllib3 import HTTPHeaderDict

from app.domain.url import MAX_URL_BYTES
from tasks.http.errors import InvalidURL
from tasks.http.fields import holds_control_characters
from tasks.http.urls import DEFAULT_PORTS, Target, check_url, target_of, with_percents

REDIRECTS = frozenset({301, 302, 303, 307, 308})

TRAVELS_ANYWHERE = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "user-agent", "range", "cache-control",
        "content-type", "content-encoding", "content-language", "content-length",
        "idempotency-key", "celeriac-task-id", "celeriac-attempt", "celeriac-scheduled-at", "traceparent", "tracestate",
    }
)  # fmt: skip
"""The headers that another origin gets to see. An allow-list of harmless ones, since a credential may have any name
(X-Api-Key, Private-Token, …) and the redirecting target chooses who receives it."""

MAX_COOKIE_CHARACTERS = 4_096
MAX_COOKIES = 50
"""Limits per answer, the minimum that RFC 6265 asks of a client. Cookies beyond them are ignored."""

_NO_HOST = re.compile(r"(?:https?:)?//(?:[/?#]|$)", re.IGNORECASE)
"""urljoin would take such a location for the base itself, and the request would go there again."""

_BODY_HEADERS = frozenset({"content-type", "content-encoding", "content-language", "content-length"})


def next_hop(
    request: requests.PreparedRequest, response: requests.Response, cookies: RequestsCookieJar
) -> requests.PreparedRequest | None:
    """Return the request that the answer redirects to, or None if it is not a redirect. Raises InvalidURL.

    `cookies` belong to this call only: cookies that one hop sets are sent to later hops of the same domain.
    """
    location = next(iter(response.raw.headers.getlist("Location")), None)  # requests would join several by commas
    if response.status_code not in REDIRECTS or not location:
        return None
    following = request.copy()
    try:
        following.prepare_url(_followed_url(request.url or "", location), None)
    except InvalidURL as error:
        raise InvalidURL(f"the redirect can't be followed: {error.message}") from None
    except (requests.RequestException, ValueError):
        raise InvalidURL("the redirect can't be followed: the URL can't be parsed") from None
    _change_method(following, response.status_code)
    _keep_to_origin(following, target_of(request.url or ""), target_of(following.url or ""))
    _carry_cookies(request, response, following, cookies)
    return following


def _followed_url(base: str, location: str) -> str:
    """Return the absolute URL. Unquoted bytes beyond ASCII are read as UTF-8 if possible. Raises ValueError."""
    if len(location) > MAX_URL_BYTES:
        raise InvalidURL(f"the URL is longer than {MAX_URL_BYTES} bytes")
    raw = location.encode("latin-1", errors="replace")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        text = location.strip()
    if _NO_HOST.match(text):
        raise InvalidURL("the URL has no valid host")
    url = with_percents(urljoin(base, text))
    check_url(url)
    fragment = urldefrag(base).fragment
    return url if not fragment or "#" in url else f"{url}#{fragment}"


def _change_method(request: requests.PreparedRequest, status_code: int) -> None:
    """Apply RFC 9110: 303 asks for a GET, and so do 301 and 302 after a POST. 307 and 308 never do."""
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
    """Tell whether it goes from http to https on the same host, both on their default ports."""
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
    answer = MockResponse(_cookies_set(response))
    cookies.extract_cookies(answer, MockRequest(request))  # type: ignore[arg-type,no-untyped-call,unused-ignore]
    if "Cookie" in following.headers and not getattr(request, "_cookie_is_ours", False):
        return  # the task's own header, which is treated like its other credentials
    following.headers.pop("Cookie", None)
    header = get_cookie_header(cookies, following)  # type: ignore[no-untyped-call,unused-ignore]
    if header:
        following.headers["Cookie"] = header
        following._cookie_is_ours = True  # type: ignore[attr-defined]


def _cookies_set(response: requests.Response) -> HTTPHeaderDict:
    """Return the usable Set-Cookie lines. RFC 6265bis ignores lines with control characters."""
    answer: Any = response.raw._original_response
    lines = [line for line in answer.msg.getlist("Set-Cookie") if len(line) <= MAX_COOKIE_CHARACTERS]
    plain = [line for line in lines if not holds_control_characters(line)]
    return HTTPHeaderDict([("Set-Cookie", line) for line in plain[:MAX_COOKIES]])
