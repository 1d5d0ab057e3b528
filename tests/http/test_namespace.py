"""Refused addresses that really exist, in a network namespace made for the test: a gap in the policy shows.

`inside_namespace.py` runs under `unshare`, puts the addresses on its `lo`, and listens behind them. Where no
namespace can be had, test_guard.py holds the same with the connection replaced by a recorder, and the skip
below says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("inside_namespace.py")
ROOT = SCRIPT.parents[2]


@cache
def unshare() -> tuple[str, ...] | None:
    """Return the command that makes a network namespace here, as root or in a user namespace."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    for command in (("unshare", "-n"), ("unshare", "-rn")):
        tried = subprocess.run([*command, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    return None


def test_nothing_refused_is_reached() -> None:
    command = unshare()
    if command is None:
        pytest.skip("no network namespace here: refused addresses are tried with a recorder only (test_guard.py)")
    ran = subprocess.run(
        [*command, sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["control"] == "ok"  # the same listener is reached where it is allowed
    assert seen["reached"] == []
    assert seen["hits"] == 1
    assert seen["refused"] > 30
