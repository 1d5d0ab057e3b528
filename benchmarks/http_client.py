"""A process that sends requests: `python -m benchmarks.http_client PORT PATH CONNECTIONS SECONDS`, the body as input.

It prints how many requests a second were answered with 201. It imports nothing else of ours, so that it starts at once.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time


class WrongAnswer(Exception):
    """The server did not answer with 201; the message is what it answered."""


async def _load(port: int, path: str, body: bytes, connections: int, seconds: float) -> float:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    counts = await asyncio.gather(*(_one(port, request, until) for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - began)


async def _one(port: int, request: bytes, until: float) -> int:
    """One connection; how many requests it had answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201"):
            raise WrongAnswer(head.decode("latin-1"))
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is None:
            raise WrongAnswer("an answer without a length")
        await reader.readexactly(int(length[1]))
        count += 1
    writer.close()
    return count


def main(port: str, path: str, connections: str, seconds: str) -> None:
    """Send, count, print."""
    body = sys.stdin.read().encode()
    print(asyncio.run(_load(int(port), path, body, int(connections), float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
