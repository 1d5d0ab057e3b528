"""Which system calls a child may make: a list, turned into a filter for the kernel.

A call that is not listed kills the process. Calls with which Python merely looks for a file fail with "not permitted",
so that a standard module that imports something late raises an exception instead of being killed. Executable memory is
refused.
"""

from __future__ import annotations

import ctypes
import struct

from sandbox.inside import system

#: name -> (number on x86-64, number on aarch64); None: the machine has no such call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "select": (23, None),
    "pselect6": (270, 72),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "sched_yield": (24, 124),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getrusage": (98, 165),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "futex": (202, 98),
    "getrandom": (318, 278),
    "restart_syscall": (219, 128),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
#: Allowed as long as the memory is not executable.
NOT_EXECUTABLE = {"mmap": (9, 222), "mprotect": (10, 226)}
#: Refused with an error instead of death.
REFUSED = {
    "open": (2, None),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "lseek": (8, 62),
    "ioctl": (16, 29),
    "access": (21, None),
    "getcwd": (79, 17),
    "readlink": (89, None),
    "openat": (257, 56),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "statx": (332, 291),
    "prlimit64": (302, 261),
    "sysinfo": (99, 179),
    "uname": (63, 160),
}

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_KILL, _ALLOW, _EPERM = 0x80000000, 0x7FFF0000, 0x00050000 | 1
_NUMBER, _ARCHITECTURE, _ARGUMENT_2 = 0, 4, 32
_PROT_EXEC = 4
_SECCOMP_SET_MODE_FILTER = 1


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


_KILLS = _instruction(_RETURN, _KILL)
_ALLOWS = (_instruction(_RETURN, _ALLOW),)
_REFUSES = (_instruction(_RETURN, _EPERM),)
_LOOKS_FOR_EXEC = (
    _instruction(_LOAD, _ARGUMENT_2),
    _instruction(_JUMP_SET, _PROT_EXEC, 0, 1),
    _KILLS,
    *_ALLOWS,
)


def _numbers(table: dict[str, tuple[int | None, int | None]], column: int) -> list[int]:
    return [numbers[column] for numbers in table.values() if numbers[column] is not None]  # type: ignore[misc]


def program(machine: str) -> bytes:
    """The filter. Raises NotImplementedError for a machine whose numbers are not known."""
    if machine not in _AUDIT_ARCH:
        raise NotImplementedError(f"is not written for {machine}")
    return b"".join(
        [
            _instruction(_LOAD, _ARCHITECTURE),
            _instruction(_JUMP_EQUAL, _AUDIT_ARCH[machine], 1, 0),
            _KILLS,
            _instruction(_LOAD, _NUMBER),
            *_search(_ranges(list(_AUDIT_ARCH).index(machine))),
        ]
    )


def _ranges(column: int) -> list[tuple[int, tuple[bytes, ...]]]:
    """(first number, what happens from there on), in order. Unlisted numbers kill, including those of x32."""
    decided: dict[int, tuple[bytes, ...]] = {
        **dict.fromkeys(_numbers(ALLOWED, column), _ALLOWS),
        **dict.fromkeys(_numbers(dict(NOT_EXECUTABLE), column), _LOOKS_FOR_EXEC),
        **dict.fromkeys(_numbers(dict(REFUSED), column), _REFUSES),
    }
    found: list[tuple[int, tuple[bytes, ...]]] = []
    for number in range(max(decided) + 2):
        verdict = decided.get(number, (_KILLS,))
        if not found or found[-1][1] != verdict:
            found.append((number, verdict))
    return found


def _search(ranges: list[tuple[int, tuple[bytes, ...]]]) -> list[bytes]:
    """A binary search: on installation, for each child, the kernel runs the filter once for every call it knows."""
    if len(ranges) == 1:
        return list(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    return [_instruction(_JUMP_GREATER_EQUAL, ranges[middle][0], len(below), 0), *below, *above]


def install(filter_program: bytes) -> None:
    """Restrict this process to the list for good. Raises OSError."""
    Filter(filter_program).install()


class Filter:
    """A filter in the form that the kernel takes, made once: a child that installs it makes nothing anew."""

    def __init__(self, filter_program: bytes) -> None:
        """Raises OSError where the number of the call is not known."""
        self._instructions = ctypes.create_string_buffer(filter_program)
        address = ctypes.addressof(self._instructions)
        self._prog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(filter_program) // 8, address))
        mode, flags = ctypes.c_uint(_SECCOMP_SET_MODE_FILTER), ctypes.c_uint(0)
        self._install = system.prepared(system.number("seccomp"), mode, flags, ctypes.byref(self._prog))

    def install(self) -> None:
        """Restrict this process to the list for good. Raises OSError."""
        self._install()  # not handed out by itself: the kernel reads the instructions that `self` keeps
