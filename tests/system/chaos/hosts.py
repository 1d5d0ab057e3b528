"""Hosts, made of namespaces: each has an address, a name, and a /tmp of its own; a bridge joins them.

    a process ─ eth0 ─(veth)─ port of the bridge ─ … ─ the other hosts, and the bridge's own address: this process

The /tmp of a host is a folder of its own, so nothing is shared but the program. A switched-off port drops everything
without a word, as a broken switch does. A slow host has no veth: a thread here passes its packets on, late (wire.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.programs import require_program
from tests.servers import ROOT
from tests.system.chaos.wire import Wire

ON_HOST = ROOT / "tests" / "system" / "chaos" / "on_host"


def require_hosts() -> None:
    """Skip the test, with a reason, where namespaces are not permitted, in CI as well: containers seldom are."""
    if os.geteuid() != 0:
        pytest.skip("no hosts can be made: that takes root")
    require_program(["ip"], "iproute2", else_skip=True)
    reason = _why_not()
    if reason is not None:
        pytest.skip(f"no hosts can be made: {reason}")


def _why_not() -> str | None:
    missing = [name for name in ("bridge", "unshare") if shutil.which(name) is None]
    if missing:
        return f"there is no {', '.join(missing)}"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    name = f"cel{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"ip netns add: {made.stderr.strip()}"
    entered = subprocess.run(
        ["ip", "netns", "exec", name, "unshare", "--mount", "--uts", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    subprocess.run(["ip", "netns", "del", name], check=True)
    return f"unshare: {entered.stderr.strip()}" if entered.returncode else None


def run(*words: str) -> None:
    """A command that has to succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


class Network:
    """A bridge with this process at its first address; a context manager. `hosts` by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._id = f"cel{os.getpid()}"
        self._net = f"198.18.{os.getpid() % 250}"  # RFC 2544: for tests, and never routed
        self.address = f"{self._net}.1"
        self.network = f"{self._net}.0/24"
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Network:
        run("ip", "link", "add", self._id, "type", "bridge")
        run("ip", "addr", "add", f"{self.address}/24", "dev", self._id)
        run("ip", "link", "set", self._id, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.close()
        run("ip", "link", "del", self._id)

    def address_of(self, number: int) -> str:
        """The address of the host with this number."""
        return f"{self._net}.{number + 10}"

    def add(self, name: str, *, is_slow: bool = False) -> Host:
        """A new host."""
        number = len(self.hosts)
        host = Host(name, f"{self._id}-{number}", self._id, self.address_of(number), self._folder / name, is_slow)
        self.hosts[name] = host
        return host


class Host:
    """One host. It is also the link of the process on it (cluster.py)."""

    is_whole_host = True

    def __init__(self, name: str, netns: str, bridge: str, address: str, folder: Path, is_slow: bool) -> None:
        self.name, self.address, self.folder = name, address, folder
        self._netns = netns
        self._wire: Wire | None = None
        folder.mkdir(parents=True)
        run("ip", "netns", "add", netns)
        if is_slow:
            self._wire = Wire(netns)
        else:
            run("ip", "link", "add", netns, "type", "veth", "peer", "name", "eth0", "netns", netns)
        run("ip", "link", "set", netns, "master", bridge, "up")
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            run("ip", "-n", netns, *words.split())

    def words(self, words: tuple[str, ...], root: Path = ROOT) -> tuple[str, ...]:
        """What `python -m` runs so that `python -m WORDS` runs here, with `environment`."""
        return ("enter_host", self._netns, self.name, str(self.folder), str(root), *words)

    def cut_off(self) -> None:
        """Drop every packet from and to the host from now on."""
        run("bridge", "link", "set", "dev", self._netns, "state", "disabled")

    def mend(self) -> None:
        """Pass packets on again, at full speed."""
        run("bridge", "link", "set", "dev", self._netns, "state", "forwarding")
        if self._wire is not None:
            self._wire.delay_seconds = 0.0

    def slow_down(self, seconds: float) -> None:
        """Pass each packet on so much later, in both directions."""
        assert self._wire is not None, f"{self.name} has no wire that could be slow"
        self._wire.delay_seconds = seconds

    def reset(self) -> None:
        """No connection of a host can be broken from outside without breaking the host."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove it. Its processes must have ended."""
        if self._wire is not None:
            self._wire.close()
        run("ip", "netns", "del", self._netns)


def environment(ahead_seconds: float = 0.0) -> Mapping[str, str]:
    """What every process on a host gets: the way to it, and its clock."""
    return {"PYTHONPATH": f"{ON_HOST}{os.pathsep}{ROOT}", "CLOCK_AHEAD_SECONDS": f"{ahead_seconds:g}", "TMPDIR": "/tmp"}
