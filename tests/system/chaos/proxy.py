"""A small TCP proxy on loopback before the Redis of one process: breaks connections, stops passing anything on."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

CHUNK_BYTES = 65_536
CALL_SECONDS = 10.0


class ProxyLoop:
    """The event loop of all proxies, in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> ProxyLoop:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.run(_cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do it there; its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(CALL_SECONDS)


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """From a port of its own to the server at a unix socket. `port` stays the same whatever happens."""

    is_whole_host = False

    def __init__(self, loop: ProxyLoop, upstream: Path) -> None:
        self._loop = loop
        self._upstream = upstream
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._server: asyncio.Server = loop.run(self._start())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """Break every connection (RST). New ones work."""
        self._loop.run(self._reset())

    def cut_off(self) -> None:
        """Pass nothing on from now, and say nothing: connections stay open, new ones are taken."""
        self._loop.run(self._set(is_open=False))

    def mend(self) -> None:
        """Pass on what was held back, and everything after."""
        self._loop.run(self._set(is_open=True))

    def slow_down(self, seconds: float) -> None:
        """Only a network between hosts is ever slow."""
        raise NotImplementedError

    def close(self) -> None:
        """End the listening and every connection."""
        self._loop.run(self._close())

    async def _start(self) -> asyncio.Server:
        self._open.set()
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)

    async def _reset(self) -> None:
        for writer in list(self._writers):
            _abort(writer)

    async def _set(self, *, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def _close(self) -> None:
        self._server.close()
        await self._reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(self._upstream))
        except OSError:  # the server is down: the client shall see that at once
            self._drop(writer)
            return
        self._writers.add(upstream_writer)
        try:
            await asyncio.gather(self._pump(reader, upstream_writer), self._pump(upstream_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone; so is the other, below
        finally:
            self._drop(writer)
            self._drop(upstream_writer)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK_BYTES):
            await self._open.wait()
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("one side has closed")

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        _abort(writer)
        self._writers.discard(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close it with RST."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET and not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
