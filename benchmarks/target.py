"""An HTTP target in a process of its own: `/slow` answers after SLOW_SECONDS, everything else at once.

`/kilobyte` answers with one. `/count/ID` counts ID after WORK_SECONDS if its caller is still there; `/counts` tells
all counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # nothing else of ours is imported, so that the process starts at once
SLOW_SECONDS = 1.0
WORK_SECONDS = 0.05
ANSWER = b'{"answer": 12.5}'
KILOBYTE = json.dumps({"rows": "x" * 1_000}).encode()
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_COUNTS: Counter[str] = Counter()


@contextlib.contextmanager
def target() -> Iterator[str]:
    """Its URL, which ends with a slash."""
    command = [sys.executable, "-m", "benchmarks.target"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.terminate()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            if length := _LENGTH.search(head):
                await reader.readexactly(int(length[1]))
            if path == "/slow":
                await asyncio.sleep(SLOW_SECONDS)
            if path.startswith("/count/"):
                await _count(path.removeprefix("/count/"), reader)
            body = _body(path)
            words = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            writer.write(words % (len(body), body))
    writer.close()


def _body(path: str) -> bytes:
    if path == "/counts":
        return json.dumps(_COUNTS).encode()
    return KILOBYTE if path == "/kilobyte" else ANSWER


async def _count(name: str, reader: asyncio.StreamReader) -> None:
    """Count a name after WORK_SECONDS, unless the caller has gone by then: what a worker does ends with it."""
    await asyncio.sleep(WORK_SECONDS)
    if not reader.at_eof():
        _COUNTS[name] += 1


if __name__ == "__main__":
    asyncio.run(_serve())
