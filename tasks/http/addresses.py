"""The addresses that may be called. Pure: no DNS, no sockets; the tables are the policy.

An address is judged together with every IPv4 address embedded in it (mapped, NAT64, 6to4, Teredo …). A
translator on the way would unwrap it, so an embedded address that is refused makes the whole address refused.

IPv6 is an allow-list: only 2000::/3 is global unicast, minus the ranges cut out of it. IPv4 is a deny-list, IANA's
special-purpose registry. Deliberately left out: NAT64 with an operator's own prefix, which the address does not
reveal. Use `denied_networks` for those.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PRIVATE = "private"
LOOPBACK = "loopback"
METADATA = "cloud metadata"

METADATA_NETWORKS: tuple[Network, ...] = (
    IPv4Network("169.254.169.254"),  # AWS, Azure, Google, Oracle, DigitalOcean, OpenStack …
    IPv4Network("169.254.170.2"),  # AWS: credentials of an ECS task
    IPv4Network("169.254.170.23"),  # AWS: credentials of an EKS pod
    IPv4Network("169.254.169.253"),  # AWS: the VPC's own DNS
    IPv4Network("169.254.42.42"),  # Scaleway
    IPv4Network("168.63.129.16"),  # Azure's wire server; a public address by its number
    IPv4Network("100.100.100.200"),  # Alibaba
    IPv4Network("192.0.0.192"),  # Oracle, classic
    IPv6Network("fd00:ec2::/32"),  # AWS: ::254 metadata, ::253 DNS, ::23 pod credentials
    IPv6Network("fd20:ce::254"),  # Google
    IPv6Network("fd00:42::42"),  # Scaleway
    IPv6Network("fd00:c1::a9fe:a9fe"),  # Oracle
)

METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.com",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)

SPECIAL_IPV4: tuple[tuple[IPv4Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "this network"),  # Linux takes 0.0.0.0 for loopback
    (IPv4Network("10.0.0.0/8"), PRIVATE),
    (IPv4Network("100.64.0.0/10"), "carrier-grade NAT"),
    (IPv4Network("127.0.0.0/8"), LOOPBACK),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("172.16.0.0/12"), PRIVATE),
    (IPv4Network("192.0.0.0/24"), "protocol assignments"),
    (IPv4Network("192.0.2.0/24"), "documentation"),
    (IPv4Network("192.88.99.0/24"), "6to4 relay"),
    (IPv4Network("192.168.0.0/16"), PRIVATE),
    (IPv4Network("198.18.0.0/15"), "benchmarking"),
    (IPv4Network("198.51.100.0/24"), "documentation"),
    (IPv4Network("203.0.113.0/24"), "documentation"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("255.255.255.255"), "broadcast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
)

MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")

TRANSPARENT: tuple[IPv6Network, ...] = (MAPPED, NAT64)
"""Only the embedded IPv4 address counts: a socket unwraps the first, a NAT64 gateway the second, and behind
DNS64 every IPv4-only name resolves to the second."""

SPECIAL_IPV6: tuple[tuple[IPv6Network, str], ...] = (
    (IPv6Network("::1"), LOOPBACK),
    (IPv6Network("::"), "unspecified"),
    (IPv6Network("::/96"), "IPv4-compatible"),
    (IPv6Network("::ffff:0:0:0/96"), "IPv4-translated"),
    (IPv6Network("64:ff9b:1::/48"), "local NAT64"),
    (IPv6Network("100::/64"), "discard only"),
    (IPv6Network("2001::/32"), "Teredo"),
    (IPv6Network("2001:2::/48"), "benchmarking"),
    (IPv6Network("2001:db8::/32"), "documentation"),
    (IPv6Network("2001::/23"), "protocol assignments"),
    (IPv6Network("2002::/16"), "6to4"),
    (IPv6Network("3fff::/20"), "documentation"),
    (IPv6Network("5f00::/16"), "segment routing"),
    (IPv6Network("fc00::/7"), PRIVATE),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("fec0::/10"), "site-local"),
    (IPv6Network("ff00::/8"), "multicast"),
)

GLOBAL_UNICAST = IPv6Network("2000::/3")

_HOLDS_IPV4_LAST = (*TRANSPARENT, IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The addresses and ports that the service may call.

    `allow_private`: loopback and private addresses are open too, for a service that serves loopback only.
    `denied_networks` takes precedence over everything. `allowed_networks` opens special addresses; it opens a cloud
    metadata address only if that address is listed by itself (/32, /128), so that listing your own fd00::/8 or
    100.64.0.0/10 does not expose the machine's credentials. An empty `allowed_ports` means all ports.
    """

    allow_private: bool = False
    allowed_networks: tuple[Network, ...] = ()
    denied_networks: tuple[Network, ...] = ()
    allowed_ports: tuple[int, ...] = ()

    def refuses(self, address: str, port: int) -> str | None:
        """Return None if the address may be called at that port, otherwise the reason in a word or two.

        The reason is for our log only: it would tell a caller what a name resolved to.
        """
        if self.refuses_port(port):
            return "port"
        try:
            outer = ip_address(address.partition("%")[0])
        except ValueError:
            return "not an address"
        return self._refuses_address(outer)

    def refuses_port(self, port: int) -> bool:
        """Whether no address may be called at that port. Behind a proxy we don't see the address."""
        return bool(self.allowed_ports) and port not in self.allowed_ports

    def refuses_name(self, host: str) -> str | None:
        """Return None if the name may be looked up, otherwise the reason.

        Refused are the known names of cloud metadata services, unless a metadata address is listed. Behind a proxy
        the name is all we see.
        """
        if host.rstrip(".").lower() not in METADATA_NAMES:
            return None
        listed = any(_is_single(net) and _is_metadata(net.network_address) for net in self.allowed_networks)
        return None if listed else METADATA

    def _refuses_address(self, outer: Address) -> str | None:
        forms = (outer, *embedded_ipv4(outer))
        if any(_within(form, self.denied_networks) for form in forms):
            return "denied network"
        if any(_is_metadata(form) and not self._lists_alone(form) for form in forms):
            return METADATA
        if _within(outer, self.allowed_networks):
            return None
        reasons = (self._refuses_form(form) for form in forms)
        return next((reason for reason in reasons if reason is not None), None)

    def _refuses_form(self, form: Address) -> str | None:
        category = special_category(form)
        if category is None or _within(form, self.allowed_networks):
            return None
        if self.allow_private and category in (LOOPBACK, PRIVATE):
            return None
        return category

    def _lists_alone(self, form: Address) -> bool:
        return any(_is_single(net) and form in net for net in self.allowed_networks)


def special_category(address: Address) -> str | None:
    """Return the category of an address that is not plain global unicast, else None.

    Judges the address itself; see `embedded_ipv4` for addresses inside it.
    """
    if isinstance(address, IPv4Address):
        return next((category for net, category in SPECIAL_IPV4 if address in net), None)
    if _within(address, TRANSPARENT):
        return None
    found = next((category for net, category in SPECIAL_IPV6 if address in net), None)
    if found is None and address not in GLOBAL_UNICAST:
        return "not global unicast"
    return found


def embedded_ipv4(address: Address) -> tuple[IPv4Address, ...]:
    """Return every IPv4 address that some translator would find inside an IPv6 address."""
    if isinstance(address, IPv4Address):
        return ()
    number = int(address)
    found: list[int] = []
    if number > 1 and any(address in net for net in _HOLDS_IPV4_LAST):  # :: and ::1 hold none
        found.append(number & 0xFFFFFFFF)
    elif address in IPv6Network("64:ff9b:1::/48"):
        found.extend(_local_nat64(number))
    elif address in IPv6Network("2002::/16"):
        found.append(number >> 80 & 0xFFFFFFFF)
    elif address in IPv6Network("2001::/32"):  # Teredo: the server, and the client with its bits turned
        found.extend((number >> 64 & 0xFFFFFFFF, ~number & 0xFFFFFFFF))
    if number >> 32 & 0xFFFFFFFF in _ISATAP_MARKS:
        found.append(number & 0xFFFFFFFF)
    return tuple(IPv4Address(value) for value in found)


def _local_nat64(number: int) -> tuple[int, int]:
    """Read RFC 6052 addresses in 64:ff9b:1::/48 both as a /48 prefix (bits 48..63 and 72..87) and as a /96 prefix."""
    return (number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF, number & 0xFFFFFFFF


def _within(address: Address, networks: tuple[Network, ...] | tuple[IPv6Network, ...]) -> bool:
    return any(address in net for net in networks)


def _is_metadata(address: Address) -> bool:
    return _within(address, METADATA_NETWORKS)


def _is_single(network: Network) -> bool:
    return network.prefixlen == network.max_prefixlen
