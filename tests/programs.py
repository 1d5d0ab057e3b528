"""Programs that some tests need and that come with the system: skipped on a laptop without them, installed in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

#: Nothing that is installed here shall start a service.
_QUIETLY = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def require_program(names: Sequence[str], package: str, *, else_skip: bool = False) -> Path:
    """The first of these programs on the PATH, from Debian's `package`.

    Without one: the test is skipped on a laptop; in CI it is installed, or the test fails. `else_skip`: the test is
    skipped, with the reason, where it can't be installed. That is for tools around the service, not for its parts.
    """
    if (found := installed(names)) is not None:
        return found
    what = f"there is no {names[0]}"
    if not os.environ.get("CI"):
        pytest.skip(f"{what}: install it (Debian: apt-get install {package}) to run these tests")
    reason = _install(package)
    if reason is not None:
        (pytest.skip if else_skip else pytest.fail)(f"{what}, and it can't be installed: {reason}")
    found = installed(names)
    assert found is not None, f"apt-get installed {package}, and no program came of it"
    return found


def _install(package: str) -> str | None:
    """Install a package of Debian. Why that could not be done; None if it is done."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "that takes root and apt-get"
    environment = {**os.environ, **_QUIETLY}
    for words, seconds in ((["update", "-qq"], 120), (["install", "-y", "-qq", package], 600)):
        try:
            done = subprocess.run(
                ["apt-get", *words], capture_output=True, text=True, timeout=seconds, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            return f"apt-get {words[0]} took more than {seconds} s"
        if done.returncode:
            return f"apt-get {words[0]}: {done.stderr.strip()[-300:]}"
    return None


def installed(names: Sequence[str]) -> Path | None:
    """The first of these programs on the PATH."""
    return next((Path(path) for name in names if (path := shutil.which(name))), None)
