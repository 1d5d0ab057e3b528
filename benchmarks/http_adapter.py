"""The client of API tasks against plain requests.

Two questions, each asked of both sides on this machine, with the target in a process of its own:

    cost      one call on a warm connection to a target that answers at once: HttpClient.call → result,
              against requests.Session.get → .json(); one thread, in turns, the median of each
    capacity  500 calls of 1 s each over 200 threads, against concurrent.futures with plain requests
              (one Session) and as many threads; each side in a fresh process, whose largest resident
              memory is taken with it

The plain side does less: no address check, no deadline for the whole, no cap. Both sides share the machine's
noise: trust the ratios.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from tasks.http import AddressPolicy, HttpClient, Request

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 30.0

ROUNDS = 30
CALLS_PER_ROUND = 50
TARGET_COST_RATIO = 1.4

SLOW_CALLS = 500
SLOW_SECONDS = 1.0
THREADS = 200
TARGET_CAPACITY_RATIO = 0.8
TARGET_RESIDENT_MB = 150

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"answer": 12.5}'

Call = Callable[[], None]


def run() -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    with _target() as url:
        plain_us, ours_us = _cost(url)
        plain, ours = (_side(side, url) for side in ("plain", "ours"))
    cost_ratio = ours_us / plain_us
    capacity_ratio = ours["calls_per_second"] / plain["calls_per_second"]
    return [
        f"cost      plain {plain_us:.0f} µs, ours {ours_us:.0f} µs: {cost_ratio:.2f}× "
        f"(at most {TARGET_COST_RATIO}×{_missed(cost_ratio > TARGET_COST_RATIO)})",
        f"capacity  plain {plain['calls_per_second']:.1f}/s, ours {ours['calls_per_second']:.1f}/s: "
        f"{capacity_ratio:.2f}× (at least {TARGET_CAPACITY_RATIO}×{_missed(capacity_ratio < TARGET_CAPACITY_RATIO)})",
        f"memory    plain {plain['resident_mb']:.0f} MB, ours {ours['resident_mb']:.0f} MB "
        f"(at most {TARGET_RESIDENT_MB} MB{_missed(ours['resident_mb'] > TARGET_RESIDENT_MB)})",
    ]


def _missed(is_missed: bool) -> str:
    return ": MISSED" if is_missed else ""


# --- cost ------------------------------------------------------------------------------------------


def _cost(url: str) -> tuple[float, float]:
    """Median microseconds of one call, plain and ours."""
    with requests.Session() as session, contextlib.closing(HttpClient(AddressPolicy(allow_private=True))) as client:
        calls = (_plain(session, url), _ours(client, url))
        for call in calls:
            _timed(call, CALLS_PER_ROUND)
        rounds = [tuple(_timed(call, CALLS_PER_ROUND) for call in calls) for _ in range(ROUNDS)]
    return statistics.median(one for one, _ in rounds), statistics.median(other for _, other in rounds)


def _timed(call: Call, count: int) -> float:
    """Microseconds per call."""
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) * 1e6 / count


def _plain(session: requests.Session, url: str) -> Call:
    def call() -> None:
        if session.get(url, timeout=TIMEOUT_SECONDS).json()["answer"] != 12.5:
            raise RuntimeError("a wrong answer")

    return call


def _ours(client: HttpClient, url: str) -> Call:
    request = Request("GET", url, {}, {}, None, TIMEOUT_SECONDS)

    def call() -> None:
        body = client.call(request).as_result()["body"]
        if not isinstance(body, dict) or body["answer"] != 12.5:
            raise RuntimeError("a wrong answer")

    return call


# --- capacity, each side in a process of its own ---------------------------------------------------


def _side(side: str, url: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.http_adapter", side, f"{url}slow"]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    measured: dict[str, float] = json.loads(ran.stdout)
    return measured


def _measure_side(side: str, url: str) -> dict[str, float]:
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=THREADS))
    client = HttpClient(AddressPolicy(allow_private=True))
    call = _plain(session, url) if side == "plain" else _ours(client, url)
    with ThreadPoolExecutor(THREADS) as threads:
        started = time.perf_counter()
        for done in [threads.submit(call) for _ in range(SLOW_CALLS)]:
            done.result()
        seconds = time.perf_counter() - started
    client.close()
    session.close()
    resident_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"calls_per_second": SLOW_CALLS / seconds, "resident_mb": resident_mb}


# --- the target ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _target() -> Iterator[str]:
    """Its URL; `/slow` answers after SLOW_SECONDS, everything else at once."""
    command = [sys.executable, "-m", "benchmarks.http_adapter", "target"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.terminate()


async def _serve_target() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET /slow"):
                await asyncio.sleep(SLOW_SECONDS)
            writer.write(ANSWER)
    writer.close()


def main(arguments: Sequence[str]) -> None:
    """The parts that run in processes of their own; without arguments, the whole."""
    if not arguments:
        print(*run(), sep="\n")
    elif arguments[0] == "target":
        asyncio.run(_serve_target())
    else:
        print(json.dumps(_measure_side(arguments[0], arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
