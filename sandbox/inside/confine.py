"""How the zygote locks itself in: what it gives up, all its children have given up.

`confine_process` is the dangerous sequence, as a list of calls in order. Each layer that the machine can't give
is reported with the reason, and the others are put on all the same.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable

from sandbox.inside import lockdown, system

NOBODY = 65534
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REMOUNT = 2, 4, 8, 1, 32
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MNT_DETACH = 2

Layers = dict[str, str]


def confine_process() -> Layers:
    """Give everything up that the kernel lets us give up. Returns layer -> "on", or why it is off."""
    layers: Layers = {"process": "on"}
    _die_with_parent()
    _layer(layers, "namespaces", _enter_namespaces)
    if layers["namespaces"] == "on":
        _layer(layers, "root", _enter_empty_root)
    else:
        layers["root"] = "needs namespaces"
    _layer(layers, "user", _become_nobody)
    _die_with_parent()  # changing the user forgets it
    _layer(layers, "no_new_privs", _no_new_privileges)
    _layer(layers, "landlock", _deny_all_files)
    _layer(layers, "rlimits", _limit_descriptors)
    _layer(layers, "seccomp", lockdown.probe_seccomp)
    return layers


def _layer(layers: Layers, name: str, put_on: Callable[[], None]) -> None:
    try:
        put_on()
        layers[name] = "on"
    except (OSError, NotImplementedError) as error:
        layers[name] = f"off: {error.strerror if isinstance(error, OSError) and error.strerror else error}"


def _die_with_parent() -> None:
    """The control socket's end tells us too; this is faster, and holds while we are busy."""
    if system.LINUX:
        system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)


def _enter_namespaces() -> None:
    """No network, no other process, no shared memory, no mounts but our own. As nobody special: a user namespace too.

    The process that calls stays behind as a guardian; the one that returns is the first of its process namespace,
    and when it dies the kernel kills everyone in there.
    """
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    flags = system.CLONE_NEWNS | system.CLONE_NEWUTS | system.CLONE_NEWIPC | system.CLONE_NEWNET | system.CLONE_NEWPID
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        system.unshare(flags)
    else:
        system.unshare(flags | system.CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    pid = os.fork()
    if pid:
        _guard(pid)
    _die_with_parent()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _guard(pid: int) -> None:
    """Wait for the first process of the namespace and end with it. Never returns."""
    os.closerange(3, 256)
    while True:
        try:
            os.waitpid(pid, 0)
        except InterruptedError:
            continue
        except ChildProcessError:
            os._exit(0)
        os._exit(0)


def _enter_empty_root() -> None:
    """A root directory with nothing in it, read-only; the old one is let go."""
    system.mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    system.mount("none", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=4k,mode=555")  # noqa: S108
    os.chdir("/tmp")  # noqa: S108
    system.syscall(system.number("pivot_root"), ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    system.unmount(".", _MNT_DETACH)
    os.chdir("/")
    system.mount("none", "/", None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _become_nobody() -> None:
    """Another user, without groups or capabilities."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _drop_capabilities()
    if system.LINUX:
        system.prctl(system.PR_SET_DUMPABLE, 0)
    if os.geteuid() != NOBODY:
        raise NotImplementedError("the service does not run as root, so programs run as its own user")


def _drop_capabilities() -> None:
    """A user namespace gives them all; nothing here needs one any more."""
    if not system.LINUX:
        return
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, ourselves
    nothing = bytes(24)
    system.syscall(system.number("capset"), ctypes.c_char_p(header), ctypes.c_char_p(nothing))


def _no_new_privileges() -> None:
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)


def _deny_all_files() -> None:
    """Landlock without a single rule: no path can be read, written or run."""
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    version = system.syscall(system.LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    bits = 13 if version == 1 else 14 if version == 2 else 15
    handled = struct.pack("Q", (1 << bits) - 1)
    ruleset = system.syscall(
        system.LANDLOCK_CREATE_RULESET, ctypes.c_char_p(handled), ctypes.c_size_t(len(handled)), ctypes.c_uint32(0)
    )
    try:
        system.syscall(system.LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _limit_descriptors() -> None:
    """Core files never, descriptors as many as a child closes; the children set the rest for themselves."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lockdown.at_most(resource.RLIMIT_NOFILE, lockdown.MAX_FDS)
