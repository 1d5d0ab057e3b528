"""Requests at a rate as high as the server answers them: by wrk if it is installed, else by a process of our own.

Both keep so many connections open, each with one request on its way, for some seconds. wrk costs a few µs a request;
our own process about a hundred, which it takes from a server on the same cores, so its figures are lower.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT

WRK = shutil.which("wrk")
CLIENT = "wrk -t1" if WRK else "a Python process with asyncio"


class LoadError(Exception):
    """The server did not answer as it should."""


def requests_per_second(port: int, path: str, body: str, connections: int, seconds: float, place: Path) -> float:
    """POSTs that were answered with 201, per second. Raises LoadError on any other answer. `place`: a folder to use."""
    if WRK:
        return _by_wrk(WRK, port, path, body, connections, seconds, place)
    command = [sys.executable, "-m", "benchmarks.http_client", str(port), path, str(connections), str(seconds)]
    ran = subprocess.run(command, cwd=ROOT, input=body, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise LoadError(ran.stderr[-1000:])
    return float(ran.stdout)


_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
local others = 0
response = function(status) if status ~= 201 then others = others + 1; wrk.thread:set("others", others) end end
local threads = {}
function setup(thread) table.insert(threads, thread) end
function done() io.write("others: " .. tostring(threads[1]:get("others") or 0) .. "\\n") end
"""


def _by_wrk(wrk: str, port: int, path: str, body: str, connections: int, seconds: float, place: Path) -> float:
    script = place / "post.lua"
    script.write_text(_SCRIPT % json.dumps(body))
    duration = f"{max(1, round(seconds))}s"  # wrk knows whole seconds only
    command = [wrk, "-t1", f"-c{connections}", f"-d{duration}", "-s", str(script), f"http://127.0.0.1:{port}{path}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    rate, others = re.search(r"Requests/sec:\s+([\d.]+)", ran.stdout), re.search(r"others: (\d+)", ran.stdout)
    if rate is None or others is None or int(others[1]) or "Socket errors" in ran.stdout:
        raise LoadError(ran.stdout[-1000:])
    return float(rate[1])
