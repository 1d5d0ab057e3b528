"""Runs on the machine of systemd_machine.py, as root: starts Celeriac's units and writes what it sees."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

URL = "http://127.0.0.1:5001"
UNITS = (
    "celeriac-api.service",
    "celeriac-beat.service",
    "celeriac-worker@code.service",
    "celeriac-worker@api.service",
)
#: Everything has to be seen within these seconds of the start.
DEADLINE = time.monotonic() + 150
CODE = {"name": "n", "function_name": "main", "function_code": "def main():\n    return 6 * 7"}
API = {"name": "n", "api_url": "http://localhost:5001/health/live"}
SLOW = {
    **CODE,
    "function_code": "import time\ndef main():\n    print('on', flush=True)\n    time.sleep(1)\n    return 7",
}
#: As docs/deploy.md has it. From then on, calls need a key.
COMMAND = (
    "systemd-run --quiet --pipe --wait --uid=celeriac --property=EnvironmentFile=/etc/celeriac/celeriac.env "
    "--working-directory=/opt/celeriac /opt/celeriac/.venv/bin/python start.py keys create ops --scope admin"
)
LAYERS = """
import json
from sandbox import Sandbox
box = Sandbox(spare_children=0)
box.start()
print(json.dumps(box.layers))
box.close()
"""
#: what is made stricter in a worker's unit -> the directives
STRICTER = {
    "nothing": [],
    "RestrictNamespaces=yes": ["RestrictNamespaces=yes"],
    "no mount": ["SystemCallFilter=~mount umount2 pivot_root"],
    "no Landlock": ["SystemCallFilter=~landlock_create_ruleset landlock_restrict_self"],
    "no seccomp": ["SystemCallFilter=~seccomp"],
}


def left() -> float:
    return max(DEADLINE - time.monotonic(), 1)


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=left(), check=False)
    return done.stdout if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def call(path: str, body: object = None, wait: int = 20) -> Any:
    headers = {"Content-Type": "application/json", "Prefer": f"wait={wait}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers), timeout=min(30, left())) as answer:
        return json.load(answer)


def wait_until(condition: Callable[[], object], what: str) -> None:
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > DEADLINE:
            raise SystemExit(f"not in time: {what}")
        if broken := [unit for unit in (*UNITS, "redis-server.service") if is_broken(unit)]:
            raise SystemExit(f"failed: {', '.join(broken)}, before: {what}")
        time.sleep(0.1)


def is_broken(unit: str) -> bool:
    """Whether the unit has failed, or fails again and again."""
    state = shown(unit, "ActiveState", "NRestarts")
    return state["ActiveState"] == "failed" or int(state["NRestarts"]) > 1


def shown(unit: str, *properties: str) -> dict[str, str]:
    text = run("systemctl", "show", unit, *(f"--property={name}" for name in properties))
    return dict(line.split("=", 1) for line in text.splitlines())


def rights(pid: str) -> dict[str, str]:
    status = Path("/proc", pid, "status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return {name: lines[name].split()[0] for name in ("Uid", "NoNewPrivs", "Seccomp", "CapBnd", "CapEff")}


def layers_with(settings: dict[str, list[str]]) -> dict[str, Any]:
    """What the sandbox says in a service that has the directives of a worker and these, for each setting."""
    Path("/run/layers.py").write_text(LAYERS)
    for number, directives in enumerate(settings.values()):
        folder = Path(f"/run/systemd/system/celeriac-worker@{number}.service.d")
        folder.mkdir(parents=True)
        lines = ["[Service]", "Type=oneshot", "Restart=no", "ExecStart="]
        lines += ["ExecStart=/opt/celeriac/.venv/bin/python /run/layers.py", "Environment=PYTHONPATH=/opt/celeriac"]
        lines += [f"StandardOutput=truncate:/run/layers-{number}.json", *directives]
        (folder / "trial.conf").write_text("\n".join(lines) + "\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", *(f"celeriac-worker@{number}" for number in range(len(settings))))
    return {name: json.loads(Path(f"/run/layers-{n}.json").read_text() or "{}") for n, name in enumerate(settings)}


def main() -> None:
    run("systemd-sysusers")
    verified = run("systemd-analyze", "verify", "--man=no", *UNITS, "celeriac.target")
    seen: dict[str, Any] = {"verified": verified, "layers": layers_with(STRICTER)}
    run("systemctl", "enable", *UNITS)
    run("systemctl", "start", "redis-server", "celeriac.target")
    wait_until(lambda: call("/health/ready"), "ready")
    seen["health"] = call("/health")
    seen["results"] = [call("/api/tasks", CODE)["result"], call("/api/tasks", API)["result"]["status_code"]]
    asked = ("ActiveState", "MainPID", "NRestarts")
    seen["units"] = {unit: shown(unit, *asked) for unit in UNITS}
    seen["rights"] = {unit: rights(seen["units"][unit]["MainPID"]) for unit in UNITS}
    task = call("/api/tasks", SLOW, wait=0)["id"]
    wait_until(lambda: call(f"/api/tasks/{task}", wait=0)["status"] == "running", "the slow task runs")
    began = time.monotonic()
    run("systemctl", "stop", "celeriac-worker@code")
    seen["drain"] = {
        "seconds": time.monotonic() - began,
        "status": call(f"/api/tasks/{task}", wait=0)["status"],
        **shown("celeriac-worker@code", "Result", "ExecMainStatus", "TasksCurrent"),
    }
    run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "celeriac-beat")
    wait_until(lambda: shown("celeriac-beat", "NRestarts")["NRestarts"] == "1", "beat is started again")
    first, *words = COMMAND.split()
    python = Path("/etc/systemd/system/celeriac-api.service.d/python.conf")  # where this machine's Python is
    more = [f"--property={line}" for line in python.read_text().splitlines()[1:]] if python.exists() else []
    done = subprocess.run([first, *more, *words], capture_output=True, text=True, timeout=left(), check=False)
    seen["command"] = {"words": COMMAND, "said": done.stdout, "besides": done.stderr}
    run("systemctl", "stop", "celeriac.target")
    wait_until(lambda: all(shown(unit, "ActiveState")["ActiveState"] == "inactive" for unit in UNITS), "all stop")
    seen["stopped"] = {unit: shown(unit, "Result", "TasksCurrent") for unit in UNITS}
    Path("/trial/seen.json").write_text(json.dumps(seen))


try:
    main()
except BaseException:
    subprocess.run(["journalctl", "--no-pager", "-n", "60"], timeout=5, check=False)
    raise
