"""How the zygote locks itself in. Whatever it gives up, all its children have given up.

`confine_process` is the dangerous sequence, as a list of calls in order. A layer that this machine cannot provide is
reported with the reason, and the remaining layers are still applied.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Collection

from sandbox.inside import landlock, lockdown, system

NOBODY = 65534
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REMOUNT = 2, 4, 8, 1, 32
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MNT_DETACH = 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

Layers = dict[str, str]


def confine_process(without: Collection[str] = ()) -> Layers:
    """Give up everything that the kernel lets us give up. Returns layer -> "on", or why it is off.

    without: layers to leave out, so that tests can show what the others stop.
    """
    layers: Layers = {"process": "on"}

    def layer(name: str, put_on: Callable[[], None]) -> None:
        layers[name] = "off: left out on request" if name in without else _state(put_on)

    system.die_with_parent()
    layer("namespaces", _enter_namespaces)
    layer("root", _enter_empty_root if layers["namespaces"] == "on" else _lack_namespaces)
    layer("user", _become_nobody)
    _drop_capabilities()
    _hide_memory()
    system.die_with_parent()  # a change of user resets this
    layer("no_new_privs", _no_new_privileges)
    layer("landlock", landlock.deny_files)
    layer("landlock_tcp", landlock.deny_tcp)
    layer("landlock_scope", lockdown.prepare_scope)
    layer("no_exec_memory", _no_executable_memory)
    layer("rlimits", _limit_descriptors)
    layer("seccomp", lockdown.probe_seccomp)
    return layers


def _state(put_on: Callable[[], None]) -> str:
    try:
        put_on()
    except (OSError, NotImplementedError) as error:
        return f"off: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    return "on"


def _enter_namespaces() -> None:
    """Leave behind the network, other processes, shared memory and mounts. Without root, a user namespace allows this.

    The calling process stays behind as a guardian. The process that returns is the first one in its process
    namespace; when it dies, the kernel kills all others in there.
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
    system.die_with_parent()
    lockdown.expect_process_namespace()


def _lack_namespaces() -> None:
    raise NotImplementedError("needs namespaces")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _guard(pid: int) -> None:
    """Wait for the first process of the namespace and end with it. Never returns."""
    os.closerange(3, lockdown.MAX_FDS)
    while True:
        try:
            os.waitpid(pid, 0)
        except InterruptedError:
            continue
        except ChildProcessError:
            os._exit(0)
        os._exit(0)


def _enter_empty_root() -> None:
    """Swap the root for a read-only folder with nothing in it, and let go of the old one."""
    system.mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    system.mount("none", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "size=4k,mode=555")  # noqa: S108
    os.chdir("/tmp")  # noqa: S108
    system.syscall(system.number("pivot_root"), ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    system.unmount(".", _MNT_DETACH)
    os.chdir("/")
    system.mount("none", "/", None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _become_nobody() -> None:
    """Become another user, without groups."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if os.geteuid() != NOBODY:
        raise NotImplementedError("the service does not run as root, so programs run as its own user")


def _drop_capabilities() -> None:
    """A user namespace grants all of them; nothing from here on needs one."""
    if system.LINUX:
        header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)  # 0: this process
        system.syscall(system.number("capset"), ctypes.c_char_p(header), ctypes.c_char_p(bytes(24)))


def _hide_memory() -> None:
    """Other processes of the same user can neither trace this one nor read its memory."""
    if system.LINUX:
        system.prctl(system.PR_SET_DUMPABLE, 0)


def _no_new_privileges() -> None:
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)


def _no_executable_memory() -> None:
    """Memory that was ever writable never becomes executable (Linux 6.3)."""
    if not system.LINUX:
        raise NotImplementedError("needs Linux")
    try:
        system.prctl(system.PR_SET_MDWE, system.PR_MDWE_REFUSE_EXEC_GAIN)
    except OSError:
        raise NotImplementedError("needs Linux 6.3 or newer") from None


def _limit_descriptors() -> None:
    """No core files, no files, and no more descriptors than a child closes; a child sets its other limits itself."""
    lockdown.prepare_limits()
