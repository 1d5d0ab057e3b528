"""Programs that some tests need and that come with the system: skipped on a laptop without them, installed in CI."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

LOCK_SECONDS = 300
INSTALL_SECONDS = 600
#: Nothing that is installed here shall start a service.
_QUIETLY = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def require_program(names: Sequence[str], *packages: str, else_skip: bool = False) -> Path:
    """The first of these programs on the PATH, from the first of Debian's `packages` that can be installed.

    Without one: the test is skipped on a laptop; in CI it is installed, or the test fails. `else_skip`: the test is
    skipped, with the reason, where it can't be installed. That is for tools around the service, not for its parts.
    """
    if (found := installed(names)) is not None:
        return found
    what = f"there is no {names[0]}"
    if not os.environ.get("CI"):
        pytest.skip(f"{what}: install it (Debian: apt-get install {packages[0]}) to run these tests")
    with _only_one_installs():
        reason = None if installed(names) else _install(packages)
    if reason is not None:
        (pytest.skip if else_skip else pytest.fail)(f"{what}, and it can't be installed: {reason}")
    found = installed(names)
    assert found is not None, f"apt-get installed {packages}, and no program came of it"
    return found


@contextmanager
def _only_one_installs() -> Iterator[None]:
    """Wait for the other processes of pytest that install something: apt-get would refuse to run twice."""
    folder = os.open("/var/lib", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _install(packages: Sequence[str]) -> str | None:
    """Install the first of Debian's packages that can be. Why none could; None if one is there now."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "that takes root and apt-get"
    if any(_apt_get("install", "-y", package) is None for package in packages):
        return None
    # There may be no list of packages yet, or an old one.
    reasons = [reason for reason in [_apt_get("update")] if reason]
    for package in packages:
        reason = _apt_get("install", "-y", package)
        if reason is None:
            return None
        reasons.append(reason)
    return "; ".join(reasons)


def _apt_get(*words: str) -> str | None:
    """Run apt-get, once no other program uses Debian's packages. Why it failed; None if it did not."""
    command = ["apt-get", "-qq", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "--no-install-recommends", *words]
    environment = {**os.environ, **_QUIETLY}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return f"apt-get {words[0]} took more than {INSTALL_SECONDS} s"
    return f"apt-get {words[0]}: {done.stderr.strip()[-300:]}" if done.returncode else None


def installed(names: Sequence[str]) -> Path | None:
    """The first of these programs on the PATH."""
    return next((Path(path) for name in names if (path := shutil.which(name))), None)
