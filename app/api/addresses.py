"""Where a request came from, also if it came through a proxy."""

from __future__ import annotations

import ipaddress

from flask import request

from app.api.context import context
from app.settings import Network


def client_address() -> str:
    """The address of the caller; "" if it is unknown.

    `X-Forwarded-For` is believed only if the connection comes from one of TRUSTED_PROXIES: then it is its last entry
    that is not such a proxy itself. Entries before that one are the caller's own words.
    """
    address = request.remote_addr or ""
    trusted = context().settings.trusted_proxies
    if not trusted:
        return address
    hops = [hop.strip() for hop in ",".join(request.headers.getlist("X-Forwarded-For")).split(",")]
    while hops and _is_in(address, trusted) and _parsed(hops[-1]) is not None:
        address = hops.pop()
    return address


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
