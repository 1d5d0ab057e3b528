"""Servers that begin with very many tasks: filled once in a run, saved, and loaded from the file as often as needed."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from benchmarks.processes import folder, memory_server

#: Writes so many of something into the server at a URL.
Fill = Callable[[str, int], None]
_FILLING = threading.Lock()  # sides start at the same time


@functools.cache
def _shelf() -> tempfile.TemporaryDirectory[str]:
    """The folder of the files; it goes with the process."""
    return tempfile.TemporaryDirectory(prefix="celeriac-stock-")


def snapshot(fill: Fill, count: int) -> Path:
    """The file with the data of a server that was filled."""
    with _FILLING:
        return _snapshot(fill, count)


@functools.cache
def _snapshot(fill: Fill, count: int) -> Path:
    path = Path(_shelf().name) / f"{fill.__name__}-{count}.rdb"
    with folder() as place, memory_server(place) as url:
        if count:
            fill(url, count)
        with redis.Redis.from_url(url, socket_timeout=600) as client:
            client.save()
        shutil.move(place / "dump.rdb", path)
    return path


@contextlib.contextmanager
def stocked_server(place: Path, fill: Fill, count: int) -> Iterator[str]:
    """The URL of a server without persistence that has so many."""
    with memory_server(place, snapshot(fill, count)) as url:
        yield url
