"""Runs inside the image's tree (image.py): starts the image's command, looks around, ends it, and prints what it saw.

Its argument is JSON: the command and the health check of the image, and a key. It has nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ASKED = json.loads(sys.argv[1])
URL = "http://127.0.0.1:5001"
TASK = {"name": "n", "function_code": "def main():\n    return 6 * 7", "function_name": "main"}


def call(path: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {ASKED['key']}", "Content-Type": "application/json", "Prefer": "wait=10"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers), timeout=15) as answer:
        return json.load(answer)


def is_ready() -> bool:
    with contextlib.suppress(OSError):
        return bool(call("/health/ready"))
    return False


def written(path: str) -> str:
    """What came of writing a file: "written", or the kernel's word for the refusal."""
    try:
        Path(path, "x").write_text("")
    except OSError as error:
        return error.strerror or str(error)
    return "written"


def health() -> int:
    return subprocess.run(ASKED["health"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def main() -> None:
    service = subprocess.Popen(ASKED["command"], stdout=sys.stderr)
    deadline = time.monotonic() + 60
    while not is_ready():
        if service.poll() is not None or time.monotonic() > deadline:
            sys.exit("the service did not become ready")
        time.sleep(0.05)
    seen = {
        "ids": [*os.getresuid(), *os.getresgid(), *os.getgroups()],
        "capabilities": re.findall(r"Cap\w+:\s+(\w+)", Path("/proc/self/status").read_text()),
        "written": {path: written(path) for path in ("/", "/usr", "/celeriac", "/celeriac/app", "/tmp")},
        "healthy": health(),
        "result": call("/api/tasks", TASK)["result"],
        "layers": call("/health")["sandbox"]["layers"],
        "kept": sorted(path.name for path in Path("/celeriac/var").iterdir()),
    }
    service.send_signal(signal.SIGTERM)
    seen["status"] = service.wait(20)
    seen["healthy_afterwards"] = health()
    print(json.dumps(seen))


main()
