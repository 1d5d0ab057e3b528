"""Smoke test of a running service: `python test_task_types.py [--url URL] [--key KEY]`.

Tries the six cells (code and API tasks: immediate, delayed, scheduled), the way of a status, errors, a cron that
fires every second, stop and delete. A line per check, a summary, exit status 0 or 1; under 30 seconds.
"""

from __future__ import annotations

import argparse
import http.server
import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import requests

ANSWER_SECONDS = 15
CODE: dict[str, Any] = {
    "function_code": "def main(a, b=2):\n    print('hello')\n    return a + b * 3",
    "function_name": "main",
}
SPIN: dict[str, Any] = {"function_code": "def main():\n    while True:\n        pass", "function_name": "main"}
EVERY_SECOND = "* * * * * *"
#: API tasks call this script, which a service that others reach may not do.
WHO_IS_CALLED = (
    "The target is this script: the service must run on this machine, and have HOST on loopback or "
    "HTTP_ALLOWED_NETWORKS=127.0.0.1/32"
)


class Target(http.server.BaseHTTPRequestHandler):
    """The HTTP target of this script, on loopback: counts calls, echoes what it was sent, fails on /fail."""

    calls: list[str] = []  # noqa: RUF012  (one target, one list)

    def answer(self) -> None:
        self.calls.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = {"path": self.path, "method": self.command, "body": body.decode(), "x": self.headers.get("X-Smoke")}
        data = json.dumps(reply).encode()
        self.send_response(500 if self.path.startswith("/fail") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer

    def log_message(self, *args: Any) -> None:
        """Nothing: the checks speak."""


class Smoke:
    """The checks, and what they leave behind until the end."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.trust_env = False
        if key:
            self.session.headers["Authorization"] = f"Bearer {key}"
        self.results: list[bool] = []
        self.made: list[str] = []
        self.tag = f"smoke-{uuid.uuid4()}"  # of this run alone: what it removes at the end is its own
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.target = f"http://127.0.0.1:{self.server.server_address[1]}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, JSON or None)."""
        response = self.session.request(method, self.url + path, json=body, headers=headers, timeout=ANSWER_SECONDS)
        return response.status_code, response.json() if response.content else None

    def create(self, path: str = "/api/tasks", wait: int = 0, **spec: Any) -> Any:
        """A task or scheduled task that is removed at the end; its JSON."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        status, body = self.call("POST", path, {"name": "smoke", "tags": [self.tag], **spec}, **headers)
        if status != 201:
            raise AssertionError(f"201 expected, {status} seen: {body}")
        place = "/api/scheduled-tasks/" if "cron_expression" in body else "/api/tasks/"
        self.made.append(place + body["id"])
        return body

    def check(self, name: str, test: Callable[[], str]) -> None:
        """Run one check and print its line; `test` returns what was seen, or raises."""
        started = time.monotonic()
        try:
            seen, passed = test(), True
        except (AssertionError, KeyError, TypeError, requests.RequestException) as error:
            seen, passed = f"{type(error).__name__}: {error}", False
        self.results.append(passed)
        print(f"{'✓' if passed else '✗'} {name}: {seen[:300]} ({time.monotonic() - started:.1f} s)", flush=True)

    def finished(self, task_id: str, wait: int = 10) -> Any:
        """The task when it is finished."""
        task = self.call("GET", f"/api/tasks/{task_id}?wait={wait}")[1]
        if task["status"] not in ("succeeded", "failed", "stopped"):
            raise AssertionError(f"a finished task expected, {task['status']} seen")
        return task

    def clean_up(self) -> str:
        """Remove everything that was made, tasks that schedules created included."""
        for path in self.made:
            if path.startswith("/api/scheduled-tasks/"):
                self.call("DELETE", path)
        for task in self.call("GET", f"/api/tasks?tag={self.tag}&limit=200")[1]["items"]:
            self.call("DELETE", f"/api/tasks/{task['id']}")
        self.server.shutdown()
        left = self.call("GET", f"/api/tasks?tag={self.tag}")[1]["items"]
        left += self.call("GET", f"/api/scheduled-tasks?tag={self.tag}")[1]["items"]
        expect(left, [])
        return "nothing is left of this run"


def expect(seen: Any, expected: Any) -> None:
    """Raise AssertionError where they differ."""
    if seen != expected:
        raise AssertionError(f"{expected!r} expected, {seen!r} seen")


# --- the six cells ---------------------------------------------------------------------------------


def code_immediate(smoke: Smoke) -> str:
    task = smoke.create(wait=10, **CODE, args=[1], kwargs={"b": 2})
    expect((task["status"], task["result"], task["stdout"]), ("succeeded", 7, "hello\n"))
    return f"result {task['result']}, {task['duration_ms']} ms, by {task['worker']}"


def code_delayed(smoke: Smoke) -> str:
    task = smoke.create(task_type="delayed", delay_seconds=1, **CODE, args=[1])
    expect(task["status"], "waiting")
    done = smoke.finished(task["id"])
    expect((done["status"], done["result"]), ("succeeded", 7))
    if done["started_at"] < done["due_at"]:
        raise AssertionError(f"a start at {done['due_at']} expected, at {done['started_at']} seen")
    return f"due {done['due_at'][11:]}, started {done['started_at'][11:]}"


def api_immediate(smoke: Smoke) -> str:
    task = smoke.create(
        wait=10, api_url=f"{smoke.target}/now", method="POST", headers={"X-Smoke": "yes"}, data={"a": [1, "é"]}
    )
    if task["error"]:
        raise AssertionError(f"{task['error']['type']}: {task['error']['message']}. {WHO_IS_CALLED}")
    expect(task["status"], "succeeded")
    echo = task["result"]["body"]
    expect((echo["method"], echo["x"], json.loads(echo["body"])), ("POST", "yes", {"a": [1, "é"]}))
    return f"answer {task['result']['status_code']} in {task['result']['elapsed_ms']} ms"


def api_delayed(smoke: Smoke) -> str:
    task = smoke.create(task_type="delayed", delay_seconds=1, api_url=f"{smoke.target}/later", params={"q": "1"})
    expect(task["status"], "waiting")
    expect("/later?q=1" in Target.calls, False)
    expect(smoke.finished(task["id"])["status"], "succeeded")
    expect(Target.calls.count("/later?q=1"), 1)
    return "called once, after its delay"


def scheduled(smoke: Smoke, spec: dict[str, Any]) -> str:
    schedule = smoke.create(task_type="scheduled", cron_expression=EVERY_SECOND, **spec)
    expect((schedule["status"], len(schedule["next_runs"])), ("active", 5))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        tasks = smoke.call("GET", f"/api/tasks?scheduled_task_id={schedule['id']}&status=succeeded")[1]["items"]
        if len(tasks) >= 2:
            break
        time.sleep(0.2)
    smoke.call("DELETE", f"/api/scheduled-tasks/{schedule['id']}")
    if len(tasks) < 2:
        raise AssertionError(f"2 firings within 10 s expected, {len(tasks)} seen")
    seconds = [task["due_at"] for task in tasks]
    expect(len(set(seconds)), len(seconds))
    return f"fired at {', '.join(sorted(second[11:19] for second in seconds))}"


# --- monitoring, errors, stop and delete ------------------------------------------------------------


def status_goes_its_way(smoke: Smoke) -> str:
    code: dict[str, Any] = {"function_code": "import time\ndef main():\n    time.sleep(0.8)", "function_name": "main"}
    task = smoke.create(task_type="delayed", delay_seconds=0.5, **code)
    seen = [task["status"]]
    deadline = time.monotonic() + 10
    while seen[-1] != "succeeded" and time.monotonic() < deadline:
        status = smoke.call("GET", f"/api/tasks/{task['id']}")[1]["status"]
        if status != seen[-1]:
            seen.append(status)
        time.sleep(0.02)
    expect([status for status in seen if status != "queued"], ["waiting", "running", "succeeded"])
    return " → ".join(seen)


def service_can_be_watched(smoke: Smoke) -> str:
    status, health = smoke.call("GET", "/health")
    expect((status, health["status"]), (200, "ok"))
    stats = smoke.call("GET", "/api/tasks/stats")[1]
    expect(stats["total"], sum(stats["by_status"].values()))
    return f"{stats['total']} tasks, {health['workers']['count']} workers"


def failing_code(smoke: Smoke) -> str:
    task = smoke.create(wait=10, function_code="def main():\n    return 1 / 0", function_name="main")
    expect((task["status"], task["error"]["type"], task["error"]["line"]), ("failed", "ZeroDivisionError", 2))
    return f"{task['error']['type']} in line {task['error']['line']}"


def failing_target(smoke: Smoke) -> str:
    task = smoke.create(wait=10, api_url=f"{smoke.target}/fail", max_retries=1, retry_delay=0.1)
    expect((task["status"], task["error"]["type"]), ("failed", "HTTPStatusError"))
    expect((task["attempt"], task["result"]["status_code"]), (2, 500))
    return "HTTPStatusError after 2 attempts, the last answer kept"


def refused(smoke: Smoke) -> str:
    status, body = smoke.call(
        "POST", "/api/tasks", {"name": "", "function_code": "def (", "function_name": "f", "x": 1}
    )
    fields = sorted(error["field"] for error in body["errors"])
    expect((status, fields), (422, ["function_code", "name", "x"]))
    status, body = smoke.call(
        "POST", "/api/tasks", {"name": "s", "task_type": "scheduled", "cron_expression": "0 0 30 2 *", **CODE}
    )
    expect((status, body["errors"][0]["field"]), (422, "cron_expression"))
    expect(smoke.call("GET", "/api/tasks/00000000-0000-7000-8000-000000000000")[0], 404)
    return "422 names every wrong field, an unknown id is 404"


def stop(smoke: Smoke) -> str:
    task = smoke.create(**SPIN)
    deadline = time.monotonic() + 5
    while smoke.call("GET", f"/api/tasks/{task['id']}")[1]["status"] != "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    started = time.monotonic()
    status, stopped = smoke.call("POST", f"/api/tasks/{task['id']}/stop")
    took_seconds = time.monotonic() - started
    expect((status, stopped["status"]), (200, "stopped"))
    if took_seconds > 1:
        raise AssertionError(f"a stop within 1 s expected, after {took_seconds:.1f} s seen")
    expect(smoke.call("POST", f"/api/tasks/{task['id']}/stop")[0], 409)
    return f"a program that loops, within {took_seconds * 1000:.0f} ms"


def delete(smoke: Smoke) -> str:
    task = smoke.create(task_type="delayed", delay_seconds=3600, **CODE, args=[1])
    expect(smoke.call("DELETE", f"/api/tasks/{task['id']}")[0], 204)
    expect(smoke.call("GET", f"/api/tasks/{task['id']}")[0], 404)
    return "204, and then 404"


def run_checks(smoke: Smoke) -> None:
    """All of them; the scheduled ones side by side with nothing else, for they count seconds."""
    smoke.check("code, immediate", lambda: code_immediate(smoke))
    smoke.check("code, delayed", lambda: code_delayed(smoke))
    smoke.check("code, scheduled", lambda: scheduled(smoke, {**CODE, "args": [1]}))
    smoke.check("API, immediate", lambda: api_immediate(smoke))
    smoke.check("API, delayed", lambda: api_delayed(smoke))
    smoke.check("API, scheduled", lambda: scheduled(smoke, {"api_url": f"{smoke.target}/tick"}))
    smoke.check("status", lambda: status_goes_its_way(smoke))
    smoke.check("health and stats", lambda: service_can_be_watched(smoke))
    smoke.check("failing code", lambda: failing_code(smoke))
    smoke.check("failing target", lambda: failing_target(smoke))
    smoke.check("bad input", lambda: refused(smoke))
    smoke.check("stop", lambda: stop(smoke))
    smoke.check("delete", lambda: delete(smoke))


def main() -> int:
    """0 when every check passed."""
    parser = argparse.ArgumentParser(description="Smoke test of a running Celeriac.")
    parser.add_argument("--url", default="http://localhost:5001", help="where it is (default: http://localhost:5001)")
    parser.add_argument("--key", help="an API key with scope write, where keys are configured")
    options = parser.parse_args()
    smoke = Smoke(options.url, options.key)
    try:
        smoke.call("GET", "/health/live")
    except requests.RequestException:
        print(f"✗ no Celeriac answers at {options.url}: start it with `python start.py`")
        return 1
    try:
        run_checks(smoke)
    finally:
        smoke.check("clean-up", smoke.clean_up)
    passed = sum(smoke.results)
    print(f"{passed} of {len(smoke.results)} checks passed")
    return 0 if passed == len(smoke.results) else 1


if __name__ == "__main__":
    sys.exit(main())
