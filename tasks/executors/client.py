"""The HTTP client as the settings want it: for API tasks, callbacks and notices alike."""

from __future__ import annotations

from app.settings import Settings
from app.version import VERSION
from tasks.http import AddressPolicy, HttpClient

#: Of every request, unless a task names another.
USER_AGENT = f"Celeriac/{VERSION}"


def make_client(settings: Settings, max_body_bytes: int) -> HttpClient:
    """A client that reaches the addresses that the settings permit, and keeps that many bytes of an answer's body."""
    return HttpClient(
        address_policy(settings),
        max_body_bytes=max_body_bytes,
        ca_bundle=settings.http_ca_bundle or None,
        proxy_url=settings.http_proxy_url or None,
    )


def address_policy(settings: Settings) -> AddressPolicy:
    """The addresses that the settings permit."""
    return AddressPolicy(
        allow_private=settings.loopback_only,
        allowed_networks=settings.http_allowed_networks,
        denied_networks=settings.http_denied_networks,
        allowed_ports=settings.http_allowed_ports,
    )
