"""Runs a Python script as a container does that gives no rights: an ordinary user, no namespaces to be had.

Root becomes an ordinary user first. The filter does what Docker's default profile does to a process without capabilities:
`unshare`, `setns`, and `clone` with a new namespace answer "not permitted".
"""

from __future__ import annotations

import compileall
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOMEBODY = 10_001
_MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 4096, 16384, 1 << 18, 2
_NEW_NAMESPACES = 0x7E020000
#: clone, clone3, unshare, setns
_NUMBERS = {"x86_64": (56, 435, 272, 308), "aarch64": (220, 435, 97, 268)}
_LANDLOCK_CREATE_RULESET = 444
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_CALL, _FIRST_ARGUMENT = 0, 16


def enter(*, as_root: bool = False, has_landlock: bool = True) -> None:
    """Give up what a container without rights does not have. Raises OSError, KeyError (unknown machine)."""
    from sandbox.inside import seccomp, system

    if os.geteuid() == 0 and not as_root:
        _open_the_way_to(Path(sys.base_prefix))
        os.setgroups([])
        os.setresgid(SOMEBODY, SOMEBODY, SOMEBODY)
        os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(docker_filter(has_landlock=has_landlock))


def _open_the_way_to(folder: Path) -> None:
    """Where only root may enter a folder above this one, show this process another, with nothing else in it."""
    from sandbox.inside import system

    closed = [parent for parent in reversed(folder.parents) if not parent.stat().st_mode & 0o001]
    if not closed:
        return
    system.unshare(system.CLONE_NEWNS)
    system.mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    kept = tempfile.mkdtemp(prefix="cel-kept-")
    system.mount(str(folder), kept, None, _MS_BIND)
    system.mount("none", str(closed[0]), "tmpfs", 0, "mode=755")
    folder.mkdir(parents=True)
    system.mount(kept, str(folder), None, _MS_BIND)
    system.unmount(kept, _MNT_DETACH)
    Path(kept).rmdir()


def docker_filter(*, has_landlock: bool = True) -> bytes:
    """What Docker's default profile forbids to a process without capabilities, in the form that the kernel takes.

    Raises KeyError (unknown machine).
    """
    clone, clone3, unshare, setns = _NUMBERS[platform.machine()]
    instructions = [
        (_LOAD, 0, 0, _CALL),
        (_JUMP_EQUAL, 7, 0, -1 & 0xFFFFFFFF if has_landlock else _LANDLOCK_CREATE_RULESET),
        (_JUMP_EQUAL, 5, 0, unshare),
        (_JUMP_EQUAL, 4, 0, setns),
        (_JUMP_EQUAL, 4, 0, clone3),  # whose flags a filter can't read: callers then use clone
        (_JUMP_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_SET, 0, 2, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ENOSYS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *each) for each in instructions)


def run(script: str, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `tests/box/SCRIPT` there, with a copy of the sandbox that any user may read as its only package."""
    with tempfile.TemporaryDirectory(prefix="cel-box-") as folder:
        root = Path(folder)
        # Nothing that runs there writes compiled files (-B), so without these each zygote would compile what it imports.
        compileall.compile_dir(ROOT / "sandbox", quiet=2)
        shutil.copytree(ROOT / "sandbox", root / "sandbox", ignore=shutil.ignore_patterns("*.pyc.*"))
        for name in ("container.py", script):
            shutil.copy(Path(__file__).with_name(name), root / name)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [sys.executable, "-B", "container.py", script, *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=seconds, check=False)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    enter()
    os.execv(sys.executable, [sys.executable, "-B", *sys.argv[1:]])
