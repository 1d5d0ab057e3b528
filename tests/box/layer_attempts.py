"""A script: what a program that is out of its language still achieves, with this or that layer left out. Prints JSON.

Each attempt runs in a child of its own, with the language layer off. It imports only the sandbox and the standard
library, so that any user can run a copy of it (container.py).
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox import Limits, Program, Sandbox, Verdict

#: What a layer is measured alone against, and what may be left out by itself. `process` and `no_new_privs` are always
#: there: the first is the sandbox, and without the second an ordinary user can put on neither Landlock nor seccomp.
LAYERS = ("rlimits", "landlock", "landlock_tcp", "landlock_scope", "no_exec_memory", "seccomp")
#: What needs root, or user namespaces; `root` stands on `namespaces`.
LAYERS_OF_ROOT = ("namespaces", "root", "user")

#: what -> statements that raise where it is refused
ATTEMPTS = {
    "read a file": "os.open('/etc/passwd', os.O_RDONLY)",
    "see that a file is there": "os.stat('/etc/passwd')",
    "write a file": "os.open('/tmp/' + world.name + '-made', os.O_CREAT | os.O_WRONLY)",
    "execute a program": "os.execv('/bin/sh', ['sh', '-c', ':'])",
    "start a process": "os.fork() or os._exit(0)",
    "connect by TCP": "socket.create_connection(('127.0.0.1', world.tcp_port), 5)",
    "send by UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', world.udp_port))",
    "connect to a local socket": "socket.socket(socket.AF_UNIX).connect(world.path)",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect(chr(0) + world.name)",
    "signal the worker": "os.kill(world.worker, 0)",
    "signal another program": "any_other(world, lambda pid: os.kill(pid, 0))",
    "trace the worker": "called('ptrace', 0x4206, world.worker, None, None)",  # PTRACE_SEIZE: it is not stopped
    "trace another program": "any_other(world, lambda pid: called('ptrace', 0x4206, pid, None, None))",
    "share memory by System V": "called('shmctl', called('shmget', 0, 4096, 0o1600), 0, None)",
    "share memory by a name": "os.close(os.open('/dev/shm/' + world.name, os.O_CREAT | os.O_RDWR, 0o600))",
    "share memory without a name": "os.memfd_create('x')",
    "make memory executable": "mapped(4096, 7)",
}

_PROGRAM = """
import ctypes, os, socket, types
libc = ctypes.CDLL(None, use_errno=True)

def called(name, *args):
    result = getattr(libc, name)(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result

def mapped(size, protection):
    libc.mmap.restype = ctypes.c_void_p
    if libc.mmap(None, size, protection, 0x22, -1, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")

def any_other(world, reach):
    for pid in world.family:
        try:
            if pid != os.getpid():
                return reach(pid)
        except OSError as error:  # it may just have ended; another has not
            last = error
    raise last

def main(world):
    world = types.SimpleNamespace(**world)
    try:
        {statement}
    except OSError as error:
        return "refused: " + (error.strerror or str(error))
    return "achieved"
"""
SPARES = 3
_LIMITS = Limits(wall_seconds=20)
_PR_SET_PTRACER, _ANYONE = 0x59616D61, ctypes.c_ulong(-1)


@contextmanager
def _world() -> Iterator[dict[str, object]]:
    """What there is to reach, all of it this process' own."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYONE, 0, 0, 0)  # where Yama would forbid it, whatever our layers do
    name = f"cel-{uuid.uuid4().hex}"
    path = f"/tmp/{name}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        udp.bind(("127.0.0.1", 0))
        local.bind(path)
        local.listen(64)
        abstract.bind(f"\0{name}")
        abstract.listen(64)
        ports = {"tcp_port": tcp.getsockname()[1], "udp_port": udp.getsockname()[1]}
        yield {"name": name, "path": path, "worker": os.getpid(), **ports}
        for made in (Path(path), Path(f"{path}-made"), Path("/dev/shm") / name):
            made.unlink(missing_ok=True)


def _family(box: Sandbox) -> list[int]:
    """The children that wait, as they know themselves; one of them is to make the attempt, the others stay."""
    deadline = time.monotonic() + 10
    while None in (pidfds := [spare.pidfd for spare in box._full.spares]):
        assert time.monotonic() < deadline, "the spare children are not born"
        time.sleep(0.001)
    return [_own_pid(_number(f"/proc/self/fdinfo/{pidfd}", "Pid")) for pidfd in pidfds]


def _own_pid(pid: int) -> int:
    """A process' number in its own namespace."""
    return _number(f"/proc/{pid}/status", "NSpid")


def _number(path: str, field: str) -> int:
    """The last number of a field of a file in /proc."""
    found = re.search(rf"^{field}:.*?(\d+)$", Path(path).read_text(), re.MULTILINE)
    assert found, path
    return int(found[1])


def measure(without: Sequence[str], world: dict[str, object]) -> dict[str, object]:
    """Each attempt, and whether it was refused, in a sandbox without those layers."""
    box = Sandbox(
        spare_children=SPARES,
        language_layer=False,
        without=without,
        extra_modules=["socket"],
        runs_programs=False,  # no lean zygote: each attempt runs once, and that in a child of the full one
    )
    box.start()
    try:
        outcomes = {what: _try(box, statement, world) for what, statement in ATTEMPTS.items()}
        return {"layers": dict(box.layers), "outcomes": outcomes}
    finally:
        box.close()


def _try(box: Sandbox, statement: str, world: dict[str, object]) -> str:
    arguments = json.dumps([{**world, "family": _family(box)}]).encode()
    program = Program(_PROGRAM.replace("{statement}", statement), "main", arguments)
    return _outcome(box.run(program, _LIMITS))


def _outcome(verdict: Verdict) -> str:
    if verdict.result_json is not None:
        return str(json.loads(verdict.result_json))
    assert verdict.failure is not None
    if verdict.failure.message == "the program ended its own process":
        return "achieved"  # by another program, which took its place
    assert verdict.failure.message == "the program did what the sandbox forbids", verdict
    return "killed"


def main() -> None:
    """For an ordinary user: nothing left out; each layer left out; each alone; none. With "root": its layers alone."""
    everything = {*LAYERS, *LAYERS_OF_ROOT}
    alone = {layer: everything - {layer} for layer in LAYERS}
    settings = {"all": set(), "none": everything}
    settings |= {f"without {layer}": {layer} for layer in LAYERS}
    if "root" in sys.argv:
        settings = {}
        alone = {
            layer: everything - {layer} - ({"namespaces"} if layer == "root" else set()) for layer in LAYERS_OF_ROOT
        }
    settings |= {f"only {layer}": without for layer, without in alone.items()}
    with _world() as world:
        json.dump({name: measure(sorted(without), world) for name, without in settings.items()}, sys.stdout)


if __name__ == "__main__":
    main()
