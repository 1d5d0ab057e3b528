"""Who may call: keys, their scopes and quotas, the `Host` header, pages of other sites (`Origin`, `Sec-Fetch-Site`)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, Response, g
from werkzeug.datastructures import Headers

from app.api.addresses import client_address
from app.api.context import context, current_request
from app.api.health import health_without_redis
from app.api.metrics import metrics_response
from app.api.problems import UNANSWERED, Refused
from app.domain.errors import OtherForm, Unavailable
from app.domain.quota import Action
from app.settings import Settings
from app.store.client import REPLY_LOST
from app.usecases.access import LOCAL_CALLER, Allowance, Caller, Entry

#: Served without a key: whether the process lives, and pages that hold no data.
OPEN_PATHS = frozenset({"/", "/docs", "/health/live", "/health/ready"})
OPEN_PREFIXES = ("/static/", "/docs/static/")
#: If keys can't be checked, since Redis can't be reached, these say so to any caller, and nothing else.
#: So does METRICS_PATH.
HEALTH_PATHS = frozenset({"/health", "/api/health"})
METRICS_PATH = "/metrics"
#: Whatever the method. All that changes something is for `admin` as well, unless it is among WRITE_PREFIXES.
ADMIN_PREFIXES = ("/api/audit", "/api/channels", "/api/keys", "/api/secrets")
WRITE_PREFIXES = ("/api/tasks", "/api/scheduled-tasks", "/api/bulk", "/api/cron", "/api/deliveries")
DEFAULT_PORTS = {"http": 80, "https": 443}
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_NOT_IN_HOST = frozenset("@/?#\\")  # would let `evil.test@localhost` pass for a local name
OWN_SITES = frozenset({"same-origin", "none"})  # values of Sec-Fetch-Site; none: typed or bookmarked, not from a page
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
#: After these errors Redis may still carry out the command. The guard's own command changes nothing, and callers are
#: told so.
_MAYBE_LATER = frozenset({"TimeoutError", REPLY_LOST})


class Guard:
    """Refuses requests that may not be made."""

    def __init__(self, settings: Settings) -> None:
        self._host_names = LOCAL_NAMES | {settings.host.strip("[]").lower()}
        self._origins = frozenset((*settings.allowed_origins, *settings.cors_origins))
        self._open_paths = OPEN_PATHS | ({METRICS_PATH} if settings.metrics_access == "open" else set())

    def install(self, web: Flask) -> None:
        """Ask this guard before every request of `web`."""
        web.before_request(self.check)
        web.after_request(_tell_allowance)

    def check(self) -> Response | None:
        """Look at the current request.

        Raises Refused (401, 403, 429) if the request may not be made; Unavailable if that can't be found out.

        None: the request may go on. A response: that of `/health` or `/metrics`, which says in the latter case what is
        wrong.
        """
        request, access = current_request(), context().access
        headers, path = request.headers, request.path
        action = Action.READ if request.method in SAFE_METHODS else Action.WRITE
        if action is Action.WRITE:
            self._check_site(headers)
        if path in self._open_paths or path.startswith(OPEN_PREFIXES):
            return None
        try:
            context().form.require()
            if not access.needs_key():
                self._check_host(headers.get("Host", ""))
            is_counted = path != METRICS_PATH  # no rate limit may blind the monitoring
            entry = access.enter(_given_key(headers), client_address(), action, is_counted=is_counted)
        except Unavailable as error:
            if path in HEALTH_PATHS:
                return health_without_redis(error)
            if path == METRICS_PATH:
                return metrics_response()
            if isinstance(error, OtherForm):
                raise
            raise Unavailable(UNANSWERED if str(error) in _MAYBE_LATER else str(error)) from error
        _check_entry(entry, action)
        return None

    def _check_host(self, host: str) -> None:
        """Without keys, only names of this machine are served: a page that rebinds its own name to it is refused."""
        if _name_in(host) not in self._host_names:
            raise Refused(
                403, "the Host header must name this machine (localhost or 127.0.0.1) as long as there is no API key"
            )

    def _check_site(self, headers: Headers) -> None:
        """A page of another site must not make a visitor's browser change anything here.

        Browsers say where a page comes from, in `Sec-Fetch-Site` or, as older ones do, in `Origin`; other clients send
        neither.
        """
        origin = headers.get("Origin")
        if origin is not None and origin.lower() in self._origins:
            return
        if headers.get("Sec-Fetch-Site", "none").strip().lower() not in OWN_SITES:
            raise Refused(403, "pages of other sites may not change anything here")
        if origin is not None and not _is_of_host(origin, headers.get("Host", "")):
            detail = "the Origin header must name the host that was called, or be listed in ALLOWED_ORIGINS"
            raise Refused(403, f"pages of other sites may not change anything here: {detail}")


def caller() -> Caller:
    """Who makes the current request: a key, or `local` where none is needed."""
    found: Caller = g.get("caller", LOCAL_CALLER)
    return found


def is_admitted() -> bool:
    """Whether the guard has found that the current request may be made. Pages that need no key are not looked at."""
    return "caller" in g


def route() -> str:
    """The current request's route (`/api/tasks/<task_id>`), or its path if it has none."""
    request = current_request()
    return request.path if request.url_rule is None else request.url_rule.rule


@lru_cache(maxsize=256)
def shown_route(route: str) -> str:
    """A route as the API's documents write it. Cached, because there are some dozens."""
    return _PARAMETER.sub(r"{\1}", route)


@lru_cache(maxsize=64)
def _name_in(host: str) -> str:
    """The name or address in a `Host` header, "" for none. Cached, because most callers send the same one."""
    try:
        name = "" if _NOT_IN_HOST & set(host) else urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    return name.rstrip(".")


def _check_entry(entry: Entry, action: Action) -> None:
    g.allowance = entry.allowance
    if entry.allowance is not None and not entry.is_admitted:
        quota, seconds = entry.allowance.quota, max(1, entry.allowance.retry_after_seconds)
        detail = f"the limit is {quota.calls} {entry.allowance.action} calls in {quota.seconds} seconds"
        raise Refused(429, detail, Retry_After=str(seconds))
    if entry.caller is None:
        detail = "send a key as Authorization: Bearer <key> or X-API-Key"
        raise Refused(401, detail, WWW_Authenticate='Bearer realm="celeriac"')
    needed = needed_scope(action, route(), is_served=current_request().url_rule is not None)
    if not entry.caller.may(needed):
        raise Refused(403, f"the key {entry.caller.name} may only {entry.caller.scope}: this needs {needed}")
    g.caller = entry.caller


def needed_scope(action: Action, path: str, *, is_served: bool = True) -> str:
    """The least scope for a call of this path or route.

    Nothing serves a call with a wrong path or method: whoever may write is told so (404, 405).
    """
    if _is_under(path, ADMIN_PREFIXES):
        return "admin"
    if action is Action.READ:
        return "read"
    return "write" if not is_served or _is_under(path, WRITE_PREFIXES) else "admin"


def _is_under(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def _tell_allowance(response: Response) -> Response:
    """`RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers has them."""
    allowance: Allowance | None = g.get("allowance")
    if allowance is not None:
        quota = allowance.quota
        response.headers["RateLimit-Policy"] = f'"{allowance.action}";q={quota.calls};w={quota.seconds}'
        response.headers["RateLimit"] = f'"{allowance.action}";r={allowance.calls_left};t={allowance.full_in_seconds}'
    return response


def _is_of_host(origin: str, host: str) -> bool:
    """Whether a page of `origin` (`https://name:port`, or `null`) came from the host and port that `host` names."""
    try:
        page, called = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS[page.scheme]
        is_origin = "@" not in page.netloc and origin.lower() == f"{page.scheme}://{page.netloc}".lower()
        return (
            is_origin
            and page.hostname is not None
            and (page.hostname, page.port or default)
            == (
                called.hostname,
                called.port or default,
            )
        )
    except (KeyError, ValueError):
        return False


def _given_key(headers: Headers) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("X-API-Key", "").strip()
