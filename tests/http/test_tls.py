"""Certificates are verified, and nothing can turn that off."""

from __future__ import annotations

import select
import socket
import ssl
import warnings
from typing import Any

import certifi
import pytest

from tasks.http import AddressPolicy, BlockedAddressError, ConnectionError_, HttpClient, InvalidURL, TLSError, sockets
from tasks.http.resolver import Endpoint
from tasks.http.sockets import WatchedTLSContext
from tests.certificates import Certificates
from tests.http.target import OK, Script, Target, Wire, answering, get, http, send
from tests.servers import wait_until


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_ca_is_trusted_when_it_is_given(trusting: HttpClient, certificates: Certificates, host: str) -> None:
    with Target(answering(OK), tls=certificates.server()) as target:
        url = target.url.replace("127.0.0.1", host)
        for _ in range(2):
            assert trusting.call(send("PUT", url, "x" * 100_000)).body == "ok"
        assert target.connections == 1


def test_a_last_dot_is_looked_up_and_not_looked_for_in_the_certificate(certificates: Certificates) -> None:
    asked = []

    def resolve(host: str, port: int) -> list[Endpoint]:
        asked.append(host)
        return [(socket.AF_INET, ("127.0.0.1", port))]

    client = HttpClient(AddressPolicy(allow_private=True), ca_bundle=certificates.ca, resolve=resolve)
    with Target(answering(OK), tls=certificates.server()) as target:
        assert client.call(get(target.url.replace("127.0.0.1", "localhost."))).body == "ok"
    client.close()
    assert asked == ["localhost."]


def test_it_is_not_trusted_otherwise(client: HttpClient, certificates: Certificates) -> None:
    with Target(answering(OK), tls=certificates.server()) as target:
        with pytest.raises(TLSError, match="certificate is not valid") as caught:
            client.call(get(target.url))
        assert target.received == []
    assert caught.value.type == "TLSError"


@pytest.mark.parametrize("certificate", ["other", "expired"])
def test_a_wrong_certificate_is_refused(trusting: HttpClient, certificates: Certificates, certificate: str) -> None:
    with Target(answering(OK), tls=certificates.server(certificate)) as target:
        with pytest.raises(TLSError, match="certificate is not valid"):
            trusting.call(get(target.url.replace("127.0.0.1", "localhost")))
        assert target.received == []


def test_an_old_protocol_is_refused(trusting: HttpClient, certificates: Certificates) -> None:
    context = certificates.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Target(answering(OK), tls=context) as target, pytest.raises(TLSError):
        trusting.call(get(target.url))


NO_TLS = {
    "speaks http": lambda wire: wire.sock.recv(4096) and wire.send(OK),
    "speaks nonsense": lambda wire: wire.sock.recv(4096) and wire.send(b"\x00" * 100),
}


@pytest.mark.parametrize("way", sorted(NO_TLS))
def test_a_target_without_tls_is_a_tls_error(trusting: HttpClient, way: str) -> None:
    with Target(NO_TLS[way]) as target, pytest.raises(TLSError, match=r"^TLS with 127\.0\.0\.1:"):
        trusting.call(get(target.url.replace("http", "https")))


def test_a_handshake_that_is_reset_is_no_answer(trusting: HttpClient) -> None:
    def script(wire: Wire) -> None:
        wire.sock.recv(1)  # the rest stays unread, so that closing resets
        wire.reset()

    with Target(script) as target, pytest.raises((ConnectionError_, TLSError)):
        trusting.call(get(target.url.replace("http", "https")))


def test_an_early_answer_is_kept_over_tls_too(trusting: HttpClient, certificates: Certificates) -> None:
    def refuse_early(wire: Wire) -> None:
        wire.sock.recv(100)
        wire.send(http(b"too big", "Connection: close", status="413 Content Too Large"))

    with Target(refuse_early, tls=certificates.server()) as target:
        assert trusting.call(send("POST", target.url, "x" * 20_000_000)).status_code == 413


def client_hello(wire: Wire) -> None:
    """Read the client's first record whole: whoever closes with some of it unread resets."""
    head = wire.sock.recv(5, socket.MSG_WAITALL)
    wire.sock.recv(int.from_bytes(head[3:]), socket.MSG_WAITALL)


def half_a_server_hello(wire: Wire) -> None:
    client_hello(wire)
    wire.send(bytes.fromhex("160303007a0200"))


def alert(code: int) -> Script:
    def script(wire: Wire) -> None:
        client_hello(wire)
        wire.send(bytes([0x15, 3, 3, 0, 2, 2, code]))

    return script


HANG_UPS = {"at the client's hello": client_hello, "within its own": half_a_server_hello}


@pytest.mark.parametrize("when", HANG_UPS)
def test_a_target_that_hangs_up_in_the_handshake_is_no_answer(trusting: HttpClient, when: str) -> None:
    with Target(HANG_UPS[when]) as target, pytest.raises(ConnectionError_) as caught:
        trusting.call(get(target.url.replace("http", "https")))
    assert str(caught.value) == f"127.0.0.1:{target.port} closed the connection during the TLS handshake"


@pytest.mark.parametrize("code", [40, 70])  # handshake_failure, protocol_version
def test_a_target_that_refuses_the_handshake_is_a_tls_error(trusting: HttpClient, code: int) -> None:
    with Target(alert(code)) as target, pytest.raises(TLSError):
        trusting.call(get(target.url.replace("http", "https")))


def test_a_connection_that_is_reset_before_the_handshake_is_no_answer(
    trusting: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap = WatchedTLSContext.wrap_socket

    def wrap_once_it_is_reset(self: WatchedTLSContext, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        wait_until(lambda: not is_connected(sock), 10, "the reset")
        return wrap(self, sock, *args, **kwargs)

    monkeypatch.setattr(WatchedTLSContext, "wrap_socket", wrap_once_it_is_reset)
    with Target(Wire.reset) as target, pytest.raises(ConnectionError_):
        trusting.call(get(target.url.replace("http", "https")))


def is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def test_a_redirect_down_to_http_loses_the_credentials(trusting: HttpClient, certificates: Certificates) -> None:
    with Target(answering(OK)) as plain:
        redirect = http(b"", f"Location: {plain.url}/", status="302 Found")
        with Target(answering(redirect), tls=certificates.server()) as target:
            trusting.call(get(target.url, Authorization="Bearer s3cret"))
    assert b"s3cret" not in plain.received[0].head


def test_a_bad_ca_bundle_fails_at_start(tmp_path: object) -> None:
    with pytest.raises(OSError, match="No such file"):
        HttpClient(AddressPolicy(), ca_bundle=f"{tmp_path}/none.pem")


def test_clients_read_the_roots_once(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def noted(self: ssl.SSLContext, path: object) -> None:
        read.append(path)
        load(self, path)

    sockets.tls_context.cache_clear()
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)
    for ca_bundle in (None, certificates.ca, None, certificates.ca):
        HttpClient(AddressPolicy(), ca_bundle=ca_bundle)
    assert read == [certifi.where(), certifi.where(), certificates.ca]


# --- through an egress proxy


def proxy_script(wire: Wire) -> None:
    """Forward http and tunnel https, to the requested port on loopback."""
    received = wire.request()
    assert received is not None
    if received.method != "CONNECT":
        wire.send(http(received.path.encode(), "Content-Type: text/plain"))
        return
    if "forbidden" in received.path:
        wire.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        return
    wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
    tunnel(wire, int(received.path.rpartition(":")[2]))


def tunnel(wire: Wire, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as inner:
        while not wire.over.is_set():
            for source in select.select([wire.sock, inner], [], [], 0.02)[0]:
                data = source.recv(65536)
                if not data:
                    return
                (inner if source is wire.sock else wire.sock).sendall(data)


def proxied(proxy: Target, certificates: Certificates, userinfo: str = "") -> HttpClient:
    url = proxy.url.replace("://", f"://{userinfo}")
    return HttpClient(AddressPolicy(), ca_bundle=certificates.ca, proxy_url=url)


def test_http_is_forwarded_by_name(certificates: Certificates) -> None:
    with Target(proxy_script) as proxy:
        client = proxied(proxy, certificates, "me:pw@")
        assert client.call(get("http://inside.test/a?b=1#c")).body == "http://inside.test/a?b=1"
        client.close()
    (received,) = proxy.received
    assert received.headers["host"] == "inside.test"
    assert received.headers["proxy-authorization"] == "Basic bWU6cHc="


def test_the_tasks_host_goes_through_the_tunnel_and_is_refused_elsewhere(certificates: Certificates) -> None:
    with Target(answering(OK), tls=certificates.server()) as target, Target(proxy_script) as proxy:
        client = proxied(proxy, certificates)
        client.call(get(f"https://localhost:{target.port}/", Host="shop.example"))
        with pytest.raises(InvalidURL, match="can't be sent to an http URL through the proxy"):
            client.call(get("http://inside.test/", Host="shop.example"))
        client.close()
    assert target.received[0].headers["host"] == "shop.example"
    assert [received.method for received in proxy.received] == ["CONNECT"]


@pytest.mark.parametrize("proxy_has_tls", [False, True])
def test_https_is_tunnelled_and_verified_end_to_end(certificates: Certificates, proxy_has_tls: bool) -> None:
    tls = certificates.server() if proxy_has_tls else None
    with Target(answering(OK), tls=certificates.server()) as target, Target(proxy_script, tls=tls) as proxy:
        client = proxied(proxy, certificates, "me:pw@")
        url = f"https://localhost:{target.port}/"
        for _ in range(2):
            assert client.call(get(url, Authorization="Bearer s3cret")).body == "ok"
        client.close()
        assert (target.connections, proxy.connections) == (1, 1)
    assert b"s3cret" not in proxy.received[0].head
    assert b"Basic" not in target.received[0].head


def test_what_a_target_sends_ahead_through_two_layers_of_tls_is_no_answer(certificates: Certificates) -> None:
    answer = http(b"x" * 12_000, "Content-Type: text/html")
    with (
        Target(answering(answer), tls=certificates.server()) as target,
        Target(proxy_script, tls=certificates.server()) as proxy,
    ):
        client = proxied(proxy, certificates)
        url = f"https://localhost:{target.port}/"
        assert [client.call(send("HEAD", url)).status_code for _ in range(3)] == [200] * 3
        client.close()


def test_a_target_that_hangs_up_in_the_inner_of_two_handshakes_is_no_answer(certificates: Certificates) -> None:
    with Target(client_hello) as target, Target(proxy_script, tls=certificates.server()) as proxy:
        client = proxied(proxy, certificates)
        with pytest.raises(ConnectionError_, match="closed the connection during the TLS handshake"):
            client.call(get(f"https://localhost:{target.port}/"))
        client.close()


def test_a_wrong_certificate_behind_the_proxy_is_refused(certificates: Certificates) -> None:
    with Target(answering(OK), tls=certificates.server("other")) as target, Target(proxy_script) as proxy:
        client = proxied(proxy, certificates)
        with pytest.raises(TLSError):
            client.call(get(f"https://localhost:{target.port}/"))
        client.close()
        assert target.received == []


def test_a_proxy_that_refuses_is_a_connection_error(certificates: Certificates) -> None:
    with Target(proxy_script) as proxy:
        client = proxied(proxy, certificates)
        with pytest.raises(ConnectionError_, match="refused by the proxy"):
            client.call(get("https://forbidden.test/"))
        client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "[::1]", "169.254.169.254", "metadata.google.internal"])
def test_what_the_url_spells_out_is_refused_before_the_proxy_sees_it(certificates: Certificates, host: str) -> None:
    with Target(proxy_script) as proxy:
        client = proxied(proxy, certificates)
        with pytest.raises(BlockedAddressError):
            client.call(get(f"http://{host}/"))
        client.close()
        assert proxy.connections == 0


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://inside.test:6379/", []),
        ("https://inside.test:22/", []),
        ("http://inside.test/redirect", ["http://inside.test/redirect"]),
    ],
)
def test_only_listed_ports_are_asked_of_the_proxy(url: str, asked: list[str]) -> None:
    with Target(answering(http(b"", "Location: http://inside.test:6379/", status="302 Found"), OK)) as proxy:
        client = HttpClient(AddressPolicy(allowed_ports=(80, 443)), proxy_url=proxy.url)
        with pytest.raises(BlockedAddressError):
            client.call(get(url))
        client.close()
    assert [received.path for received in proxy.received] == asked


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "127.0.0.1:3128", "http://"])
def test_a_bad_proxy_url_fails_at_start(url: str) -> None:
    with pytest.raises(ValueError, match="the proxy's URL must be"):
        HttpClient(AddressPolicy(), proxy_url=url)
