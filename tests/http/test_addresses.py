"""Every form of an address, next to its verdict."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.http import AddressPolicy
from tasks.http.addresses import METADATA_NETWORKS, embedded_ipv4

OPEN = AddressPolicy()
LOCAL = AddressPolicy(allow_private=True)

# address, verdict of a public service, verdict of one that serves loopback only (None: may be called)
TABLE = [
    ("8.8.8.8", None, None),
    ("1.1.1.1", None, None),
    ("223.255.255.255", None, None),  # the last unicast address
    ("2606:4700::1111", None, None),
    ("0.0.0.0", "this network", "this network"),  # Linux connects it to loopback
    ("0.1.2.3", "this network", "this network"),
    ("10.0.0.1", "private", None),
    ("172.16.0.1", "private", None),
    ("172.31.255.255", "private", None),
    ("172.32.0.0", None, None),  # just after
    ("192.168.1.1", "private", None),
    ("100.63.255.255", None, None),  # just before CGNAT
    ("100.64.0.1", "carrier-grade NAT", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT", "carrier-grade NAT"),
    ("100.128.0.0", None, None),
    ("127.0.0.1", "loopback", None),
    ("127.255.255.254", "loopback", None),
    ("169.254.0.1", "link-local", "link-local"),
    ("192.0.0.1", "protocol assignments", "protocol assignments"),
    ("192.0.2.1", "documentation", "documentation"),
    ("198.51.100.1", "documentation", "documentation"),
    ("203.0.113.1", "documentation", "documentation"),
    ("192.88.99.1", "6to4 relay", "6to4 relay"),
    ("198.18.0.1", "benchmarking", "benchmarking"),
    ("198.19.255.255", "benchmarking", "benchmarking"),
    ("224.0.0.1", "multicast", "multicast"),
    ("239.255.255.255", "multicast", "multicast"),
    ("240.0.0.1", "reserved", "reserved"),
    ("255.255.255.255", "broadcast", "broadcast"),
    ("169.254.169.254", "cloud metadata", "cloud metadata"),
    ("169.254.170.2", "cloud metadata", "cloud metadata"),
    ("168.63.129.16", "cloud metadata", "cloud metadata"),  # public by its number
    ("100.100.100.200", "cloud metadata", "cloud metadata"),
    ("192.0.0.192", "cloud metadata", "cloud metadata"),
    ("fd00:ec2::254", "cloud metadata", "cloud metadata"),
    ("fd20:ce::254", "cloud metadata", "cloud metadata"),
    ("::", "unspecified", "unspecified"),
    ("::1", "loopback", None),
    ("fc00::1", "private", None),
    ("fdff:ffff::1", "private", None),
    ("fe80::1", "link-local", "link-local"),
    ("fe80::1%eth0", "link-local", "link-local"),
    ("fe80::1%25eth0", "link-local", "link-local"),
    ("fec0::1", "site-local", "site-local"),
    ("ff02::1", "multicast", "multicast"),
    ("100::1", "discard only", "discard only"),
    ("2001:2::1", "benchmarking", "benchmarking"),
    ("2001:db8::1", "documentation", "documentation"),
    ("3fff::1", "documentation", "documentation"),
    ("2001:20::1", "protocol assignments", "protocol assignments"),  # ORCHID
    ("5f00::1", "segment routing", "segment routing"),
    ("4000::1", "not global unicast", "not global unicast"),
    ("::ffff:8.8.8.8", None, None),  # mapped
    ("::ffff:127.0.0.1", "loopback", None),
    ("::ffff:10.0.0.1", "private", None),
    ("::ffff:a9fe:a9fe", "cloud metadata", "cloud metadata"),
    ("::127.0.0.1", "IPv4-compatible", "IPv4-compatible"),
    ("::8.8.8.8", "IPv4-compatible", "IPv4-compatible"),
    ("::169.254.169.254", "cloud metadata", "cloud metadata"),
    ("::ffff:0:127.0.0.1", "IPv4-translated", "IPv4-translated"),
    ("::ffff:0:8.8.8.8", "IPv4-translated", "IPv4-translated"),
    ("64:ff9b::8.8.8.8", None, None),  # what DNS64 makes of every IPv4-only name
    ("64:ff9b::10.0.0.1", "private", None),
    ("64:ff9b::169.254.169.254", "cloud metadata", "cloud metadata"),
    ("64:ff9b:1::1", "local NAT64", "local NAT64"),
    ("64:ff9b:1:a9fe:a9:fe00::", "cloud metadata", "cloud metadata"),  # RFC 6052, /48
    ("64:ff9b:1::a9fe:a9fe", "cloud metadata", "cloud metadata"),  # the same, /96
    ("2002:7f00:1::", "6to4", "6to4"),
    ("2002:808:808::1", "6to4", "6to4"),
    ("2002:a9fe:a9fe::1", "cloud metadata", "cloud metadata"),
    ("2001:0:a00:1::", "Teredo", "Teredo"),
    ("2001:0:808:808:0:0:5601:5601", "cloud metadata", "cloud metadata"),  # the client is a9fe:a9fe, inverted
    ("2606:4700::5efe:10.0.0.1", "private", None),  # ISATAP
    ("2606:4700::200:5efe:127.0.0.1", "loopback", None),
    ("2606:4700::5efe:8.8.8.8", None, None),
    ("2606:4700::5efe:169.254.169.254", "cloud metadata", "cloud metadata"),
    ("", "not an address", "not an address"),
    ("localhost", "not an address", "not an address"),
    ("0x7f.1", "not an address", "not an address"),  # the dialer asks about what the system made of it
]


@pytest.mark.parametrize(("address", "public", "local"), TABLE)
def test_an_address_gets_its_verdict(address: str, public: str | None, local: str | None) -> None:
    assert OPEN.refuses(address, 80) == public
    assert LOCAL.refuses(address, 80) == local


def test_a_listed_network_is_open_also_in_its_embedded_forms() -> None:
    policy = AddressPolicy(allowed_networks=(ip_network("10.1.0.0/16"),))
    assert policy.refuses("10.1.2.3", 80) is None
    assert policy.refuses("::ffff:10.1.2.3", 80) is None
    assert policy.refuses("10.2.0.1", 80) == "private"
    assert policy.refuses("127.0.0.1", 80) == "loopback"


def test_a_denied_network_wins_over_a_listed_one_and_over_embedding() -> None:
    policy = AddressPolicy(
        allow_private=True,
        allowed_networks=(ip_network("10.0.0.0/8"),),
        denied_networks=(ip_network("10.0.0.5/32"), ip_network("8.8.8.0/24")),
    )
    assert policy.refuses("10.0.0.4", 80) is None
    for address in ("10.0.0.5", "::ffff:10.0.0.5", "64:ff9b::10.0.0.5", "8.8.8.8", "64:ff9b::8.8.8.8"):
        assert policy.refuses(address, 80) == "denied network"


@pytest.mark.parametrize("network", ["0.0.0.0/0", "169.254.0.0/16", "169.254.169.252/30"])
def test_metadata_is_not_opened_by_a_network_around_it(network: str) -> None:
    assert AddressPolicy(allowed_networks=(ip_network(network),)).refuses("169.254.169.254", 80) == "cloud metadata"


def test_metadata_is_opened_by_its_own_address() -> None:
    policy = AddressPolicy(allowed_networks=(ip_network("169.254.169.254/32"),))
    assert policy.refuses("169.254.169.254", 80) is None
    assert policy.refuses("169.254.170.2", 80) == "cloud metadata"
    assert policy.refuses_name("metadata.google.internal") is None


@pytest.mark.parametrize("name", ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data"])
def test_a_name_of_metadata_is_refused_before_it_is_looked_up(name: str) -> None:
    assert LOCAL.refuses_name(name) == "cloud metadata"
    assert LOCAL.refuses_name(f"x{name}") is None


def test_only_listed_ports_are_open() -> None:
    policy = AddressPolicy(allowed_ports=(80, 443))
    assert policy.refuses("8.8.8.8", 443) is None
    assert policy.refuses("8.8.8.8", 8080) == "port"
    assert OPEN.refuses("8.8.8.8", 8080) is None


IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IPV6 = st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**125 - 1).map(
    lambda number: IPv6Address(0x2000 << 112 | number)  # where the global ones are
)


def _is_ordinary(address: IPv4Address | IPv6Address) -> bool:
    """Tell what the standard library takes for a plain Internet address."""
    special = address.is_multicast or address.is_reserved or address.is_link_local or address.is_unspecified
    return address.is_global and not special


@given(IPV4)
def test_no_ipv4_address_is_open_that_ipaddress_takes_for_special(address: IPv4Address) -> None:
    if OPEN.refuses(str(address), 80) is None:
        assert _is_ordinary(address)


@given(IPV4)
def test_every_ordinary_ipv4_address_is_open_but_for_named_exceptions(address: IPv4Address) -> None:
    named = (*METADATA_NETWORKS, ip_network("192.88.99.0/24"), ip_network("192.0.0.0/24"))
    if _is_ordinary(address) and not any(address in net for net in named):
        assert OPEN.refuses(str(address), 80) is None


@given(IPV6)
def test_no_ipv6_address_is_open_that_ipaddress_takes_for_special(address: IPv6Address) -> None:
    if OPEN.refuses(str(address), 80) is None:
        assert _is_ordinary(address)


@given(st.integers(0x2003 << 112, (0x3FFF << 112) - 1).map(IPv6Address))
def test_an_ordinary_ipv6_address_is_open_unless_a_refused_one_is_inside(address: IPv6Address) -> None:
    # Teredo and 6to4 are outside this range, so only ISATAP's mark can be met.
    inside = any(OPEN.refuses(str(form), 80) for form in embedded_ipv4(address))
    expected = _is_ordinary(address) and not inside
    assert (OPEN.refuses(str(address), 80) is None) == expected


WRAPPINGS = {
    "mapped": lambda number: 0xFFFF << 32 | number,
    "compatible": lambda number: number,
    "translated": lambda number: 0xFFFF << 48 | number,
    "nat64": lambda number: 0x64FF9B << 96 | number,
    "6to4": lambda number: 0x2002 << 112 | number << 80 | 1,
    "teredo client": lambda number: 0x20010000 << 96 | 0x08080808 << 64 | (number ^ 0xFFFFFFFF),
    "teredo server": lambda number: 0x20010000 << 96 | number << 64,
    "isatap": lambda number: 0x26064700 << 96 | 0x5EFE << 32 | number,
}


@given(IPV4, st.sampled_from(sorted(WRAPPINGS)))
def test_wrapping_never_opens_what_is_refused(address: IPv4Address, wrapping: str) -> None:
    wrapped = IPv6Address(WRAPPINGS[wrapping](int(address)))
    assert int(wrapped) < 2 or address in embedded_ipv4(wrapped)
    if OPEN.refuses(str(address), 80) is not None:
        assert OPEN.refuses(str(wrapped), 80) is not None


@given(IPV4, st.sampled_from(["mapped", "nat64"]))
def test_the_transparent_wrappings_change_nothing(address: IPv4Address, wrapping: str) -> None:
    wrapped = IPv6Address(WRAPPINGS[wrapping](int(address)))
    for policy in (OPEN, LOCAL):
        assert policy.refuses(str(wrapped), 80) == policy.refuses(str(address), 80)


@given(st.text(max_size=60), st.integers(-5, 70000))
def test_no_text_breaks_the_policy(text: str, port: int) -> None:
    verdict = OPEN.refuses(text, port)
    assert verdict is None or verdict


@given(IPV6)
def test_a_zone_changes_nothing(address: IPv6Address) -> None:
    assert OPEN.refuses(f"{address}%eth0", 80) == OPEN.refuses(str(address), 80)
