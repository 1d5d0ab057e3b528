"""Where a figure comes from: the machine, the versions, the commit."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.launch.embedded_redis import RedisServerError, find_program
from benchmarks.processes import ROOT

OWN_PACKAGES = ("celery", "kombu", "redis", "hiredis", "flask", "granian", "pydantic", "RestrictedPython")


@functools.cache
def machine() -> dict[str, str | int | float]:
    """What the figures were measured on, and how busy it was before."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(packages: Sequence[str] = OWN_PACKAGES) -> dict[str, str]:
    """Package -> installed version; packages that are missing are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def redis_server() -> str:
    """The server that all sides use: `valkey-server 9.1`."""
    try:
        program, numbers = find_program()
    except RedisServerError as error:
        return str(error)
    return f"{program.name} {'.'.join(map(str, numbers))}"


@functools.cache
def commit() -> str:
    """The commit that was measured, with `+` if files differed from it; empty without git."""
    head, changes = _git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return f"{head}+" if changes else head


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
