"""Run by test_namespace.py under `unshare -n`: prints what was reached as JSON."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Sequence
from ipaddress import ip_network

from tasks.http import AddressPolicy, BlockedAddressError, HttpClient, Request
from tasks.http.resolver import Endpoint

PORT = 80
PUBLIC = "93.184.216.34"
ADDRESSES = [
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "169.254.170.2", "168.63.129.16",
    "100.100.100.200", "192.0.2.1", "198.18.0.1", "203.0.113.1", "192.0.0.192",
    "fd00:ec2::254", "fd00::1", "2001:db8::1", "2002:7f00:1::1", "64:ff9b::a00:1", "::127.0.0.5",
]  # fmt: skip
URLS = [
    "http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://0/", "http://127.1/",
    "http://localhost/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:10.0.0.1]/", "http://[::]/",
    "http://[::ffff:a9fe:a9fe]/", "http://0xa9fea9fe/", "http://2852039166/", "http://metadata.google.internal/",
]  # fmt: skip


class Counter:
    """Listens on every address of the namespace, v4 and v6, and counts the connections."""

    def __init__(self) -> None:
        self.hits = 0
        self._listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            self.hits += 1
            with sock:
                sock.recv(4096)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")


def names(host: str, port: int) -> Sequence[Endpoint]:
    """`<address with dashes>.test` resolves to that address; also beside a public one."""
    label = host.removesuffix(".test")
    label, _, mixed = label.partition(".")
    addresses = [label.replace("_", ":").replace("-", ".")] + ([PUBLIC] if mixed else [])
    if host == "localhost":
        addresses = ["127.0.0.1"]
    return [
        (socket.AF_INET6, (address, port, 0, 0)) if ":" in address else (socket.AF_INET, (address, port))
        for address in addresses
    ]


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (*ADDRESSES, PUBLIC):
        width = "128" if ":" in address else "32"
        extra = ["nodad"] if ":" in address else []
        subprocess.run(["ip", "address", "add", f"{address}/{width}", "dev", "lo", *extra], check=True)
    counter = Counter()
    client = HttpClient(AddressPolicy(), resolve=names)
    spelled = [f"http://[{address}]/" if ":" in address else f"http://{address}/" for address in ADDRESSES]
    labels = [address.replace(":", "_").replace(".", "-") for address in ADDRESSES]
    named = [f"http://{label}.test/" for label in labels] + [f"http://{label}.mixed.test/" for label in labels]
    refused, reached = 0, []
    for url in (*URLS, *spelled, *named):
        try:
            client.call(Request("GET", url, {}, {}, None, 2.0))
            reached.append(url)
        except BlockedAddressError:
            refused += 1
    listed = HttpClient(AddressPolicy(allowed_networks=(ip_network("10.0.0.1/32"),)))
    control = listed.call(Request("GET", "http://10.0.0.1/", {}, {}, None, 2.0)).body
    print(json.dumps({"hits": counter.hits, "refused": refused, "reached": reached, "control": control}))


if __name__ == "__main__":
    main()
