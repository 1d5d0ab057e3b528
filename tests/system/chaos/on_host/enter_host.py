"""Becomes a process on a host (hosts.py), then runs a module: `python -m enter_host NETNS NAME FOLDER ROOT MODULE …`.

NETNS: the network namespace. NAME: the host's. FOLDER: its /tmp. ROOT: where our program is, and runs.
This process keeps its pid, and so its parent. It imports nothing of the tests, which would take longer than all else.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import socket
import sys
from pathlib import Path

# of sched.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x0002_0000, 0x0400_0000, 0x4000_0000
# of sys/mount.h
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
TMP = Path("/tmp")


def main(netns: str, name: str, folder: str, root: str, *words: str) -> None:
    """All of it. Raises OSError if the kernel refuses."""
    own_namespaces(netns)
    socket.sethostname(name)
    if Path(root).is_relative_to(TMP):
        inside = Path(folder) / Path(root).relative_to(TMP)
        inside.mkdir(parents=True, exist_ok=True)
        mount(root, inside, MS_BIND)
    mount(folder, TMP, MS_BIND | MS_REC)
    os.chdir(root)
    sys.modules["sitecustomize"].set_clock()  # an import would come too late
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def own_namespaces(netns: str) -> None:
    """The host's network, and mounts and a name of its own."""
    with Path("/run/netns", netns).open() as file:
        call("setns", file.fileno(), CLONE_NEWNET)
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS)
    mount("none", Path("/"), MS_REC | MS_PRIVATE)  # or what follows would be mounted everywhere


def mount(source: str, target: Path, flags: int) -> None:
    call("mount", source.encode(), bytes(target), None, ctypes.c_ulong(flags), None)


def call(name: str, *arguments: object) -> None:
    """A function of the C library that returns 0."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
