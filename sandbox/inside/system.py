"""The system calls that Python has no function for (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

LINUX = sys.platform == "linux"
MACHINE = os.uname().machine
#: Numbers of calls that have no wrapper in libc.
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "seccomp": 317, "capset": 126},
    "aarch64": {"pivot_root": 41, "seccomp": 277, "capset": 91},
}


def number(name: str) -> int:
    """A call's number on this machine. Raises OSError where it is not known."""
    try:
        return _NUMBERS[MACHINE][name]
    except KeyError:
        raise OSError(38, f"{name} is not known on {MACHINE}") from None


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
#: Calls by this one neither release the interpreter's lock nor keep the error's number: they touch less memory.
_holding_the_lock = ctypes.PyDLL(None)
_holding_the_lock.syscall.restype = ctypes.c_long
_fork = _holding_the_lock.fork


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(call: int, *args: object) -> int:
    """A raw call. Raises OSError."""
    return _checked(_libc.syscall(ctypes.c_long(call), *args), f"call {call}")


def prepared(call: int, *args: object) -> Callable[[], int]:
    """A raw call whose arguments are made now; raises OSError, which does not tell why, when it is made."""
    function, all_args = _holding_the_lock.syscall, (ctypes.c_long(call), *args)

    def make() -> int:
        result: int = function(*all_args)
        if result < 0:
            raise OSError(f"call {call} failed")
        return result

    return make


def fork() -> int:
    """As os.fork, without what modules have asked to be called then. Only where none needs it. Raises OSError."""
    pid: int = _fork()
    if pid < 0:
        raise OSError("fork failed")
    return pid


def prctl(option: int, value: int) -> None:
    """Raises OSError."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies. A fork and a change of user reset this."""
    if LINUX:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def trim_memory() -> None:
    """Give back what the allocator holds for later: it would be copied with each fork."""
    if hasattr(_libc, "malloc_trim"):  # glibc
        _libc.malloc_trim(0)


def unshare(flags: int) -> None:
    """Raises OSError."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Raises OSError."""
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _checked(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]), "mount")


def unmount(target: str, flags: int) -> None:
    """Raises OSError."""
    _checked(_libc.umount2(target.encode(), flags), "umount2")
