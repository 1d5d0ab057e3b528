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


def require_program(names: Sequence[str], package: str) -> Path:
    """The first of these programs on the PATH, from Debian's `package`.

    Without one: the test is skipped on a laptop; in CI it is installed, or the test fails.
    """
    if (found := installed(names)) is not None:
        return found
    what = f"there is no {names[0]}"
    if not os.environ.get("CI"):
        pytest.skip(f"{what}: install it (Debian: apt-get install {package}) to run these tests")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.fail(f"{what}, and it can't be installed: that takes root and apt-get")
    environment = {**os.environ, **_QUIETLY}
    subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=120, env=environment)
    subprocess.run(["apt-get", "install", "-y", "-qq", package], check=True, timeout=600, env=environment)
    found = installed(names)
    assert found is not None, f"apt-get installed {package}, and no program came of it"
    return found


def installed(names: Sequence[str]) -> Path | None:
    """The first of these programs on the PATH."""
    return next((Path(path) for name in names if (path := shutil.which(name))), None)
