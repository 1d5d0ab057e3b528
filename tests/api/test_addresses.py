"""Where a call came from, through proxies that are trusted and others that are not."""

from __future__ import annotations

import ipaddress

import pytest

from app.settings import Settings, read_settings
from tests.api.calls import BASE_URL, CODE, Api, audit_lines
from tests.api.conftest import MakeWeb

TRUSTING = Settings(trusted_proxies=read_settings({"TRUSTED_PROXIES": "10.0.0.0/8,::1/128"}).trusted_proxies)


def seen(make_web: MakeWeb, settings: Settings, address: str, *forwarded: str) -> str:
    """The address that the audit has of a call."""
    web = make_web(settings)
    headers = [("X-Forwarded-For", value) for value in forwarded]
    answer = web.test_client().post(
        "/api/tasks", json=CODE, base_url=BASE_URL, headers=headers, environ_base={"REMOTE_ADDR": address}
    )
    assert answer.status_code == 201
    return str(audit_lines(Api(web), 1)[0]["address"])


@pytest.mark.parametrize(
    ("address", "forwarded", "expected"),
    [
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.9, 192.0.2.7"], "192.0.2.7"),  # the caller wrote the first one
        ("10.0.0.1", ["192.0.2.7, 10.0.0.2"], "192.0.2.7"),  # two proxies
        ("10.0.0.1", ["198.51.100.9", "192.0.2.7"], "192.0.2.7"),  # a header that came twice
        ("::ffff:10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # a call of a proxy itself
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.7\t, <script>"], "10.0.0.1"),
        ("192.0.2.8", ["198.51.100.9"], "192.0.2.8"),  # no proxy of ours
    ],
)
def test_a_trusted_proxy_is_believed(make_web: MakeWeb, address: str, forwarded: list[str], expected: str) -> None:
    assert seen(make_web, TRUSTING, address, *forwarded) == expected


def test_nobody_is_believed_unless_a_proxy_is_trusted(make_web: MakeWeb) -> None:
    assert seen(make_web, Settings(), "10.0.0.1", "192.0.2.7") == "10.0.0.1"


def test_trusted_proxies_are_networks() -> None:
    assert TRUSTING.trusted_proxies[0] == ipaddress.ip_network("10.0.0.0/8")
