"""Landlock without a single rule: whatever it handles is denied, whatever path or address leads there.

Each function adds one more ruleset to the process; rulesets can't be taken off and are inherited. The versions are
those of the kernel's interface: 1 files (Linux 5.13), 4 TCP (6.7), 6 signals and abstract sockets (6.12).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable

from sandbox.inside import system

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_RULESET_VERSION = 1
#: How many kinds of access to files each version knows; later versions know as many as the last one here.
_FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2


def deny_files() -> None:
    """No path can be opened, changed, made, removed or executed. Raises OSError, NotImplementedError."""
    version = _version()
    accesses = _FILE_ACCESSES.get(version, max(_FILE_ACCESSES.values()))
    _restrict(struct.pack("Q", (1 << accesses) - 1))


def deny_tcp() -> None:
    """No TCP socket can be bound or connected. Raises OSError, NotImplementedError."""
    _need_version(4, "6.7")
    _restrict(struct.pack("QQ", 0, _BIND_TCP | _CONNECT_TCP))


def make_scope() -> int:
    """A descriptor of the ruleset that `entry_to_scope` takes. Raises OSError, NotImplementedError."""
    _need_version(6, "6.12")
    return _make_ruleset(struct.pack("QQQ", 0, 0, _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS))


def entry_to_scope(ruleset: int) -> Callable[[], int]:
    """From that call on, no signal and no abstract socket leads out of the process and those it forks. It may raise."""
    return system.prepared(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))


def _version() -> int:
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    try:
        return system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION))
    except OSError as error:
        if error.errno == errno.EPERM:
            raise NotImplementedError("forbidden here, as by the seccomp profile of an old Docker") from None
        raise NotImplementedError("needs Linux 5.13 or newer, with Landlock switched on") from None


def _need_version(needed: int, linux: str) -> None:
    found = _version()
    if found < needed:
        raise NotImplementedError(f"needs Linux {linux} or newer; this kernel has Landlock version {found}")


def _make_ruleset(handled: bytes) -> int:
    return system.syscall(_CREATE_RULESET, ctypes.c_char_p(handled), ctypes.c_size_t(len(handled)), ctypes.c_uint32(0))


def _restrict(handled: bytes) -> None:
    ruleset = _make_ruleset(handled)
    try:
        system.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
