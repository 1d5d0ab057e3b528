"""The browser that these tests drive is not disturbed by what runs beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.no_netlink import filter_of_netlink


def sockets_of(group: int) -> set[str]:
    """The inodes of all sockets that the processes of this group hold."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                found |= {str(fd.readlink()) for fd in (process / "fd").iterdir()}
        except OSError:  # it has ended meanwhile, or closed it
            continue
    return {name.removeprefix("socket:[").removesuffix("]") for name in found if name.startswith("socket:")}


@pytest.mark.skipif(filter_of_netlink() is None, reason="the number of a system call is not known here")
def test_it_does_not_watch_the_network(chromium: Chromium) -> None:
    """Else it breaks off what a page loads when another test makes an interface."""
    held = sockets_of(chromium.group)
    assert held, "those between its processes"
    netlink = {line.split()[9] for line in Path("/proc/net/netlink").read_text().splitlines()[1:]}
    assert not held & netlink
