"""The two ways to reach a target: directly, or through the operator's proxy."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import requests
from urllib3.connection import ProxyConfig
from urllib3.util import make_headers, parse_url

from tasks.http.connections import Connection, GuardedHTTPConnection, GuardedHTTPSConnection
from tasks.http.dialer import Dialer
from tasks.http.errors import InvalidURL
from tasks.http.urls import DEFAULT_PORTS, Target

Head = tuple[str, Mapping[str, str | bytes]]


class DirectRoute:
    """This process resolves, checks and connects."""

    dials_targets = True

    def __init__(self, dialer: Dialer, tls: ssl.SSLContext) -> None:
        self._dialer = dialer
        self._tls = tls

    def connection(self, target: Target) -> Connection:
        """Return a connection, which connects when the first request is sent."""
        connection: Connection
        if target.scheme == "https":
            connection = GuardedHTTPSConnection(
                target.host, target.port, timeout=None, ssl_context=self._tls, cert_reqs=ssl.CERT_REQUIRED
            )
        else:
            connection = GuardedHTTPConnection(target.host, target.port, timeout=None)
        connection.dialer = self._dialer
        return connection

    def head(self, request: requests.PreparedRequest, target: Target) -> Head:
        """Return the target of the request line, and the headers."""
        return request.path_url, request.headers


class ProxyRoute:
    """The proxy resolves and connects, so it decides what may be reached. Its own address is not checked.

    https goes through a tunnel and is verified end to end; http is forwarded. Raises ValueError for a URL
    other than http(s)://[user:password@]host[:port].
    """

    dials_targets = False

    def __init__(self, dialer: Dialer, tls: ssl.SSLContext, proxy_url: str) -> None:
        proxy = parse_url(proxy_url)
        if proxy.scheme not in DEFAULT_PORTS or not proxy.host:
            raise ValueError("the proxy's URL must be http(s)://[user:password@]host[:port]")
        self._dialer = dialer
        self._tls = tls
        self._proxy = proxy
        self._config = ProxyConfig(tls, False, None, None)
        self._credentials = make_headers(proxy_basic_auth=proxy.auth) if proxy.auth else {}

    def connection(self, target: Target) -> Connection:
        proxy = self._proxy
        host, port, scheme = proxy.host or "", proxy.port or DEFAULT_PORTS[proxy.scheme or ""], proxy.scheme or ""
        connection: Connection
        if "https" in (target.scheme, scheme):
            connection = GuardedHTTPSConnection(
                host.strip("[]"),
                port,
                timeout=None,
                proxy=proxy,
                proxy_config=self._config,
                ssl_context=self._tls,
                cert_reqs=ssl.CERT_REQUIRED,
            )
        else:
            connection = GuardedHTTPConnection(host.strip("[]"), port, timeout=None, proxy=proxy)
        if target.scheme == "https":
            connection.set_tunnel(target.host, target.port, headers=self._credentials, scheme=scheme)
        connection.dialer = self._dialer
        return connection

    def head(self, request: requests.PreparedRequest, target: Target) -> Head:
        if target.scheme == "https":
            return request.path_url, request.headers
        if "Host" in request.headers:
            # The absolute URL and Host would name different hosts, and proxies differ in which one they use.
            raise InvalidURL("a Host header can't be sent to an http URL through the proxy")
        absolute = (request.url or "").partition("#")[0]
        return absolute, {**request.headers, **self._credentials}
