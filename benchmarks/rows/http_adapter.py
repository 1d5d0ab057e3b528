"""The client of API tasks against plain requests, with the target in a process of its own.

The plain side does less: no address check, no deadline for the whole, no cap.
"""

from __future__ import annotations

import contextlib
import functools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests
from requests.adapters import HTTPAdapter

from benchmarks.measurement import Better, Figure, Measurement, Round, Side, at_least, at_most
from benchmarks.processes import ROOT
from benchmarks.target import SLOW_SECONDS, target
from tasks.http import AddressPolicy, HttpClient, Request

TIMEOUT_SECONDS = 30.0
THREADS = 200
PLAIN = "plain requests"

Call = Callable[[], None]


def _plain_call(session: requests.Session, url: str) -> Call:
    def call() -> None:
        if session.get(url, timeout=TIMEOUT_SECONDS).json()["answer"] != 12.5:
            raise RuntimeError("a wrong answer")

    return call


def _our_call(client: HttpClient, url: str) -> Call:
    request = Request("GET", url, {}, {}, None, TIMEOUT_SECONDS)

    def call() -> None:
        body = client.call(request).as_result()["body"]
        if not isinstance(body, dict) or body["answer"] != 12.5:
            raise RuntimeError("a wrong answer")

    return call


# --- cost --------------------------------------------------------------------------------------------


def _timed_us(call: Call, calls: int) -> float:
    """Microseconds per call."""
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) * 1e6 / calls


@contextlib.contextmanager
def our_calls(calls: int) -> Iterator[Round]:
    """HttpClient.call and the result, on a warm connection."""
    with target() as url, contextlib.closing(HttpClient(AddressPolicy(allow_private=True))) as client:
        call = _our_call(client, url)
        yield lambda: _timed_us(call, calls)


@contextlib.contextmanager
def plain_calls(calls: int) -> Iterator[Round]:
    """Session.get and .json(), on a warm connection."""
    with target() as url, requests.Session() as session:
        call = _plain_call(session, url)
        yield lambda: _timed_us(call, calls)


# --- capacity, each round in a process of its own, whose largest resident memory is taken with it ----------


@contextlib.contextmanager
def many_at_once(calls: int, *, side: str) -> Iterator[Round]:
    """Calls of one second over THREADS threads."""
    with target() as url:
        command = [sys.executable, "-m", "benchmarks.rows.http_adapter", side, f"{url}slow", str(calls)]

        def measure() -> dict[str, float]:
            ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
            found: dict[str, float] = json.loads(ran.stdout)
            return found

        yield measure


def _capacity(side: str, url: str, calls: int) -> dict[str, float]:
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=THREADS))
    client = HttpClient(AddressPolicy(allow_private=True))
    call = _plain_call(session, url) if side == "plain" else _our_call(client, url)
    with ThreadPoolExecutor(THREADS) as threads:
        began = time.perf_counter()
        for done in [threads.submit(call) for _ in range(calls)]:
            done.result()
        seconds = time.perf_counter() - began
    client.close()
    session.close()
    resident_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"rate": calls / seconds, "memory": resident_mb}


MEASUREMENTS = (
    Measurement(
        name="http_adapter.cost",
        question="One call through the client of API tasks to a target that answers at once",
        figures=(Figure("µs", Better.LOWER, (at_most(1.4, PLAIN),)),),
        ours=Side("Celeriac", "HttpClient.call and its result, one thread, a warm connection", our_calls),
        baselines=(Side(PLAIN, "Session.get and .json(), one thread, a warm connection", plain_calls, ("requests",)),),
        full=500,
        quick=100,
    ),
    Measurement(
        name="http_adapter.capacity",
        question=f"Calls of {SLOW_SECONDS:g} s through the client of API tasks over {THREADS} threads",
        figures=(
            Figure("calls/s", Better.HIGHER, (at_least(0.8, PLAIN),), "rate"),
            Figure("MB", Better.LOWER, (at_most(150.0),), "memory"),
        ),
        ours=Side(
            "Celeriac", f"HttpClient, {THREADS} threads, a new process", functools.partial(many_at_once, side="ours")
        ),
        baselines=(
            Side(
                PLAIN,
                f"one Session, {THREADS} threads of concurrent.futures, a new process",
                functools.partial(many_at_once, side="plain"),
                ("requests",),
            ),
        ),
        full=400,
        quick=200,
        warm_up_rounds=0,
    ),
)


def main(arguments: Sequence[str]) -> None:
    """A round of `many_at_once`, in a process of its own."""
    side, url, calls = arguments
    print(json.dumps(_capacity(side, url, int(calls))))


if __name__ == "__main__":
    main(sys.argv[1:])
