"""The banner that `start.py` prints once the system is ready, or the reason why it is not, both from our own API."""

from __future__ import annotations

import http.client
import json
import shlex
from dataclasses import dataclass
from typing import Any

from app.settings import Settings

ANSWER_SECONDS = 2
MAX_ANSWER_BYTES = 1_000_000
UNAUTHORIZED = 401

EXAMPLE = {
    "name": "first",
    "function_code": "def main():\n    return 1 + 2 * 3",
    "function_name": "main",
}


def api_answers(settings: Settings) -> bool:
    """Whether the API serves."""
    return _get(settings, "/health/live").status == 200


def is_ready(settings: Settings) -> bool:
    """Whether an accepted task would run."""
    return _get(settings, "/health/ready").status == 200


def what_is_missing(settings: Settings) -> str:
    """The reason why the system is not ready, from GET /health."""
    reply = _get(settings, "/health")
    if reply.status == 0:
        return f"the API does not answer on port {settings.port}"
    if reply.status == UNAUTHORIZED:  # the keys in Redis can't be read back
        return "GET /health tells why, with a key"
    parts = {name: part for name, part in reply.body.items() if isinstance(part, dict)}
    return f"GET /health says {json.dumps(parts)}"


def banner(settings: Settings, redis_words: str) -> str:
    """The addresses of everything, and a command to try. It never contains a key."""
    host = reachable_host(settings.host)
    base = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    return "\n".join(
        [
            f"  API      {base}/api/tasks",
            f"  docs     {base}/docs",
            f"  console  {base}/",
            f"  Redis    {redis_words}",
            f"  sandbox  {_sandbox_words(settings)}",
            "Try it:",
            f"  {_example(settings, base)}",
        ]
    )


def reachable_host(host: str) -> str:
    """The address at which to reach a server that binds to `host`."""
    bare = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)  # noqa: S104 - compared, not bound


def _sandbox_words(settings: Settings) -> str:
    """The layers that are on, followed by those that are not and the reason for each."""
    reply = _get(settings, "/health")
    if reply.status == UNAUTHORIZED:
        return "GET /health tells which layers hold, with a key"
    sandbox = reply.body.get("sandbox")
    layers = sandbox.get("layers") if isinstance(sandbox, dict) else None
    if not isinstance(layers, dict) or not layers:
        return "unknown: see GET /health"
    on = [name for name, state in layers.items() if state == "on"]
    off = [f"{name} ({state})" for name, state in layers.items() if state != "on"]
    return ", ".join(on) + (f"; unavailable: {', '.join(off)}" if off else "")


def _example(settings: Settings, base: str) -> str:
    words = ["curl", "-s", f"{base}/api/tasks", "-H", "Content-Type: application/json", "-H", "Prefer: wait=10"]
    line = shlex.join([*words, "-d", json.dumps(EXAMPLE)])
    needs_key = settings.api_keys or _get(settings, "/health").status == UNAUTHORIZED
    return line + (' -H "Authorization: Bearer $CELERIAC_KEY"' if needs_key else "")


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int  # 0: no answer
    body: dict[str, Any]


def _get(settings: Settings, path: str) -> _Reply:
    headers = {"Authorization": f"Bearer {settings.api_keys[0].secret}"} if settings.api_keys else {}
    host = reachable_host(settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read(MAX_ANSWER_BYTES))
    except (OSError, ValueError, http.client.HTTPException):  # it is not up yet, which is an answer too
        return _Reply(0, {})
    finally:
        connection.close()
    return _Reply(answer.status, body if isinstance(body, dict) else {})
