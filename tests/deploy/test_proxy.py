"""The proxy in front: Caddy and nginx as the files in deploy/ set them up, before a real service, with TLS."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import make_certificates
from tests.deploy.conftest import Tool
from tests.programs import require_program
from tests.servers import LoggedProcess
from tests.system import ROOT, Started, free_port, wait_until

CADDYFILE = ROOT / "deploy" / "Caddyfile"
NGINX_CONF = ROOT / "deploy" / "nginx.conf"
KEY = "k" * 32
PRINTS = "import time\ndef main():\n    while True:\n        print('on')\n        time.sleep(0.1)\n"
SLEEPS = "import time\ndef main():\n    time.sleep(0.5)\n    return 7\n"


def test_the_caddyfile_is_valid_and_formatted(tool: Tool) -> None:
    for words in (["validate", "--adapter", "caddyfile", "--config"], ["fmt", "--diff"]):
        done = subprocess.run(
            [tool("caddy"), *words, str(CADDYFILE)], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The whole service, as it is behind a proxy: it asks for keys and believes the proxy."""
    folder = tmp_path_factory.mktemp("service")
    started = Started(folder, API_KEYS=f"me:admin:{KEY}", TRUSTED_PROXIES="127.0.0.0/8", SHUTDOWN_GRACE="1")
    try:
        started.wait_until_ready(seconds=60)
        yield started
    finally:
        started.clean_up()


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def port(
    request: pytest.FixtureRequest, tool: Tool, service: Started, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a proxy with its file as it is, but for ports and certificate: nothing here can fetch one."""
    folder = tmp_path_factory.mktemp(request.param)
    port = free_port()
    command = {"caddy": _caddy, "nginx": _nginx}[request.param](tool, folder, port, service.port)
    env = {"UPSTREAM": f"127.0.0.1:{service.port}", "XDG_DATA_HOME": str(folder), "HOME": str(folder)}
    proxy = LoggedProcess(command, folder / "log", folder, env)
    try:
        wait_until(lambda: _answers(port), 20, f"an answer from {request.param}")
        yield port
    finally:
        proxy.kill()


def _caddy(tool: Tool, folder: Path, port: int, upstream: int) -> list[str]:
    text = _replaced(CADDYFILE.read_text(), "{$DOMAIN:localhost} {", f"localhost:{port} {{\n\ttls internal")
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(options + text)
    return [tool("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _nginx(tool: Tool, folder: Path, port: int, upstream: int) -> list[str]:
    program = require_program(["nginx", "/usr/sbin/nginx"], "nginx", else_skip=True)
    make_certificates(folder).sign("good", "DNS:localhost")
    text = _replaced(NGINX_CONF.read_text(), "server 127.0.0.1:5001;", f"server 127.0.0.1:{upstream};")
    text = _replaced(text, "listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = _replaced(text, "/etc/ssl/tasks.example/fullchain.pem", f"{folder}/good.pem")
    text = _replaced(text, "/etc/ssl/tasks.example/privkey.pem", f"{folder}/good.key")
    paths = [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    http_lines = ["access_log off;", *paths, text]
    head = f"daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
    user = "user root;\n" if os.geteuid() == 0 else ""  # so that its workers may enter the test's folder
    (folder / "nginx.conf").write_text(user + head + "http {\n" + "\n".join(http_lines) + "}\n")
    return [str(program), "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def _connection(port: int) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # authorities that were made just now
    return http.client.HTTPSConnection("localhost", port, timeout=20, context=context)


def _answers(port: int) -> bool:
    try:
        return _call(port, "GET", "/health/live")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _call(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = _connection(port)
    try:
        given = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection.request(method, path, body, given | {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _task(code: str) -> bytes:
    return b'{"name": "n", "function_name": "main", "function_code": "%s"}' % code.replace("\n", "\\n").encode()


def test_a_held_answer_comes_through(port: int) -> None:
    status, body = _call(port, "POST", "/api/tasks", _task(SLEEPS), Prefer="wait=10")
    assert (status, b'"result":7' in body.replace(b" ", b"")) == (201, True)


def test_events_arrive_as_they_happen(port: int) -> None:
    _, body = _call(port, "POST", "/api/tasks", _task(PRINTS))
    task_id = re.findall(rb'"id": ?"([^"]+)"', body)[0].decode()
    connection = _connection(port)
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {KEY}"}
    connection.request("GET", f"/api/tasks/{task_id}/events", headers=headers)
    pieces = (line for line in connection.getresponse() if line.startswith(b"event: stdout"))
    assert [next(pieces) for _ in range(2)]
    _, body = _call(port, "GET", f"/api/tasks/{task_id}")
    assert re.findall(rb'"status": ?"([^"]+)"', body) == [b"running"], "two pieces arrived, and the program goes on"
    assert _call(port, "POST", f"/api/tasks/{task_id}/stop")[0] == 200
    connection.close()


def test_the_callers_address_is_what_the_proxy_saw_not_what_the_caller_says(port: int, service: Started) -> None:
    _call(port, "POST", "/api/tasks", _task(SLEEPS), X_Forwarded_For="203.0.113.7")
    _, body = _call(port, "GET", "/api/audit?limit=1")
    assert b'"127.0.0.1"' in body, body
    assert b"203.0.113.7" not in body


def test_the_console_may_change_things_by_its_public_origin(port: int) -> None:
    headers = {"Origin": f"https://localhost:{port}", "Sec_Fetch_Site": "same-origin"}
    assert _call(port, "POST", "/api/tasks", _task(SLEEPS), **headers)[0] == 201
    assert _call(port, "POST", "/api/tasks", _task(SLEEPS), Origin="https://evil.example")[0] == 403


def test_the_largest_batch_comes_through_and_a_larger_body_does_not(port: int) -> None:
    batch = b'{"tasks": [' + b",".join([_task("def main(): pass #" + "x" * 150_000)] * 40) + b"]}"
    assert len(batch) > 5_000_000
    status, answer = _call(port, "POST", "/api/tasks/batch", batch)
    assert status == 201, answer[:500]
    status, _ = _call(port, "POST", "/api/tasks/batch", b" " * 18_000_000)
    assert status in (413, 502), "502: the API has answered and closed before Caddy has sent it all"
