"""Processes that a benchmark starts, and ends with its block."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.launch.embedded_redis import EmbeddedServer
from app.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 10


@contextlib.contextmanager
def running(words: Sequence[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process in the repository's folder, ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a server of its own: the same program and options as the embedded one, on a unix socket."""
    embedded = EmbeddedServer(read_settings({}, var_dir=folder), functools.partial(print, flush=True))
    embedded.start()
    try:
        yield embedded.url
    finally:
        embedded.stop()
