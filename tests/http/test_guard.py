"""Refused addresses are never called, whatever the name and on whatever hop."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest
import requests

from tasks.http import AddressPolicy, BlockedAddressError, HttpClient, Request
from tasks.http.adapter import GuardedAdapter
from tasks.http.exchange import Exchange
from tasks.http.resolver import Endpoint
from tasks.http.sockets import WatchedSocket
from tests.http.target import OK, Target, answering, get, http


def endpoint(address: str, port: int) -> Endpoint:
    if ":" in address:
        return socket.AF_INET6, (address, port, 0, 0)
    return socket.AF_INET, (address, port)


class Names:
    """A DNS for the tests: each lookup of a name gets its next answer; the last one stays."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {f"{name}.test": list(turns) for name, turns in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[Endpoint]:
        self.asked.append(host)
        turns = self._answers[host]
        addresses = turns.pop(0) if len(turns) > 1 else turns[0]
        return [endpoint(address, port) for address in addresses]


class Recorder:
    """Replaces connecting: records the address, and connects to the target if there is one."""

    def __init__(self, target: Target | None = None) -> None:
        self.dialled: list[str] = []
        self._target = target

    def __call__(self, dialled: Endpoint, exchange: Exchange, limit_seconds: float) -> WatchedSocket:
        self.dialled.append(str(dialled[1][0]))
        if self._target is None:
            raise OSError("nobody is here")
        sock = WatchedSocket(socket.AF_INET, socket.SOCK_STREAM)
        sock.watch(exchange)
        sock.connect(("127.0.0.1", self._target.port))
        return sock


PUBLIC = "93.184.216.34"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Target(answering(OK)) as target:
        yield Recorder(target)


def blocked(client: HttpClient, url: str) -> BlockedAddressError:
    with pytest.raises(BlockedAddressError) as caught:
        client.call(get(url))
    client.close()
    return caught.value


# How loopback, private and metadata addresses are spelled in a URL, and what the system makes of it.
SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST",
    "10.1",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2001:0:808:808:0:0:5601:5601]",
    "[2606:4700::5efe:10.0.0.1]",
    "[fd00:ec2::254]",
    "[fe80::1%25lo]",
    "[fe80::1]",
    "[ff02::1]",
    "metadata.google.internal",
    "metadata.google.internal.",
    "Metadata.Google.Internal",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_gets_a_refused_address_dialled(recorder: Recorder, spelling: str) -> None:
    client = HttpClient(AddressPolicy(), connect=recorder)
    with pytest.raises(BlockedAddressError):
        client.call(get(f"http://{spelling}/"))
    client.close()
    assert recorder.dialled == []


def test_a_public_address_is_dialled(recorder: Recorder) -> None:
    client = HttpClient(AddressPolicy(), connect=recorder)
    assert client.call(get(f"http://{PUBLIC}/")).body == "ok"
    client.close()
    assert recorder.dialled == [PUBLIC]


@pytest.mark.parametrize("addresses", [["10.0.0.1", PUBLIC], [PUBLIC, "10.0.0.1"], [PUBLIC, "::1"], ["fd00:ec2::254"]])
def test_a_name_with_one_bad_address_is_not_called_at_all(recorder: Recorder, addresses: list[str]) -> None:
    client = HttpClient(AddressPolicy(), resolve=Names(mixed=[addresses]), connect=recorder)
    blocked(client, "http://mixed.test/")
    assert recorder.dialled == []


def test_the_error_does_not_tell_what_the_name_resolved_to(recorder: Recorder) -> None:
    messages = set()
    for address in ("10.0.0.7", "127.0.0.1", "169.254.169.254", "fd00:ec2::254", "192.0.2.1"):
        client = HttpClient(AddressPolicy(), resolve=Names(inside=[[address]]), connect=recorder)
        messages.add(blocked(client, "http://inside.test/").message)
    assert messages == {"inside.test at port 80 is not open to tasks"}


def test_a_name_that_is_rebound_between_check_and_use_is_asked_once(recorder: Recorder) -> None:
    names = Names(rebound=[[PUBLIC], ["127.0.0.1"]])
    client = HttpClient(AddressPolicy(), resolve=names, connect=recorder)
    assert client.call(get("http://rebound.test/")).body == "ok"
    client.close()
    assert (recorder.dialled, names.asked) == ([PUBLIC], ["rebound.test"])


def test_a_name_that_is_rebound_between_calls_is_checked_again() -> None:
    closing = http(b"ok", "Content-Type: text/plain", "Connection: close")  # so that it is dialled anew
    with Target(answering(closing)) as target:
        recorder = Recorder(target)
        client = HttpClient(AddressPolicy(), resolve=Names(rebound=[[PUBLIC], ["127.0.0.1"]]), connect=recorder)
        assert client.call(get("http://rebound.test/")).body == "ok"
        blocked(client, "http://rebound.test/")
    assert recorder.dialled == [PUBLIC]


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1/", "http://inside.test/", "//0x7f.1/", "http://[::ffff:10.0.0.1]/"]
)
def test_each_hop_is_checked(location: str) -> None:
    redirect = http(b"", f"Location: {location}", status="302 Found")
    with Target(answering(redirect)) as target:
        recorder = Recorder(target)
        names = Names(outside=[[PUBLIC]], inside=[["10.0.0.1"]])
        blocked(HttpClient(AddressPolicy(), resolve=names, connect=recorder), "http://outside.test/")
    assert recorder.dialled == [PUBLIC]


def test_a_listed_network_is_called_and_its_neighbour_not(recorder: Recorder) -> None:
    policy = AddressPolicy(allowed_networks=(ip_network("10.0.0.0/24"),))
    names = Names(inside=[["10.0.0.1"]], neighbour=[["10.0.1.1"]])
    client = HttpClient(policy, resolve=names, connect=recorder)
    assert client.call(get("http://inside.test/")).body == "ok"
    blocked(client, "http://neighbour.test/")
    assert recorder.dialled == ["10.0.0.1"]


def test_a_denied_network_is_not_called_though_it_is_public(recorder: Recorder) -> None:
    policy = AddressPolicy(allow_private=True, denied_networks=(ip_network("93.184.0.0/16"),))
    blocked(HttpClient(policy, connect=recorder), f"http://{PUBLIC}/")
    assert recorder.dialled == []


def test_only_listed_ports_are_called(recorder: Recorder) -> None:
    client = HttpClient(AddressPolicy(allowed_ports=(80,)), connect=recorder)
    assert client.call(get(f"http://{PUBLIC}/")).body == "ok"
    blocked(client, f"http://{PUBLIC}:6379/")
    assert recorder.dialled == [PUBLIC]


def test_a_service_on_loopback_calls_loopback_and_no_metadata(client: HttpClient) -> None:
    with Target(answering(OK)) as target:
        assert client.call(get(target.url)).body == "ok"
        assert client.call(get(target.url.replace("127.0.0.1", "localhost"))).body == "ok"
    blocked(client, "http://169.254.169.254/latest/meta-data/")


def test_proxies_and_netrc_of_the_environment_are_ignored(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Target(answering(OK)) as proxy, Target(answering(OK)) as target:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        client.call(get(target.url))
        assert (proxy.connections, target.connections) == (0, 1)
    assert "authorization" not in target.received[0].headers


def test_the_adapter_guards_a_plain_session_too(recorder: Recorder) -> None:
    with requests.Session() as session:
        session.mount("http://", GuardedAdapter(AddressPolicy(), connect=recorder))
        assert session.get(f"http://{PUBLIC}/").text == "ok"
        with pytest.raises(BlockedAddressError):
            session.get("http://127.0.0.1/")
    assert recorder.dialled == [PUBLIC]


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    with Target(answering(OK)) as target:

        def connect(dialled: Endpoint, exchange: Exchange, limit_seconds: float) -> WatchedSocket:
            if dialled[1][0] == "2606:4700::1":
                raise OSError("no route")
            return Recorder(target)(dialled, exchange, limit_seconds)

        names = Names(both=[["2606:4700::1", PUBLIC]])
        client = HttpClient(AddressPolicy(), resolve=names, connect=connect)
        assert client.call(Request("GET", "http://both.test/", {}, {}, None, 5.0)).body == "ok"
        client.close()
