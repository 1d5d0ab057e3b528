"""docker-compose.yml, read by Docker Compose itself and as data, and the health checks of the services in it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.launch.alive import is_alive
from app.launch.embedded_redis import EmbeddedServer
from app.launch.key_rule import require_key
from app.settings import SettingsError, read_settings
from app.store.client import connect
from app.store.heartbeats import SILENCE_MS
from app.store.liveness import LivenessStore
from app.store.store import Store
from start import WORKER_END_SECONDS
from tests.deploy.conftest import Tool
from tests.deploy.image import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("api", "worker", "beat")
TLS = "caddy"
KEY = f"me:admin:{'k' * 32}"


def environment(service: str, **outside: str) -> dict[str, str]:
    """A service's environment with ${NAME:-default} filled in, as compose does it."""

    def fill(match: re.Match[str]) -> str:
        return outside.get(match[1]) or match[2]

    return {
        name: re.sub(r"\$\{(\w+):-(.*?)\}", fill, str(value))
        for name, value in SERVICES[service]["environment"].items()
    }


def test_the_services_are_the_whole_system() -> None:
    started = {name for name, service in SERVICES.items() if "profiles" not in service}  # by `up`
    assert started == {"redis", *OURS}
    assert set(SERVICES) - started == {TLS}


def composed(tool: Tool, *words: str, **outside: str) -> str:
    """What `docker-compose WORDS` prints. It needs no Docker as long as nothing is to be started."""
    settings = {name: value for name, value in os.environ.items() if name not in ("API_KEYS", "DOMAIN")}
    done = subprocess.run(
        [tool("docker-compose"), "--env-file", os.devnull, *words],
        cwd=ROOT,
        env={**settings, **outside},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_itself_reads_the_file(tool: Tool) -> None:
    words = ("--profile", "tls", "config", "--format", "json")
    read = json.loads(composed(tool, *words, API_KEYS=KEY, DOMAIN="t.example"))
    assert set(read["services"]) == set(SERVICES)
    assert read["services"]["beat"]["scale"] == 2
    assert read["services"]["api"]["environment"]["API_KEYS"] == KEY
    assert read["services"][TLS]["environment"] == {"DOMAIN": "t.example", "UPSTREAM": "api:5001"}


PAGE = (ROOT / "docs" / "deploy.md").read_text().partition("\n## Docker Compose\n")[2].partition("\n## ")[0]


def overridden(tool: Tool, folder: Path, override: str) -> dict[str, dict[str, Any]]:
    """The services, with an override of docs/deploy.md beside the file."""
    (folder / "docker-compose.override.yml").write_text(override)
    files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(folder / "docker-compose.override.yml"))
    read = json.loads(composed(tool, "--project-directory", str(folder), *files, "config", "--format", "json"))
    services: dict[str, dict[str, Any]] = read["services"]
    return services


def test_the_overrides_of_the_page_hand_on_all_settings_and_take_another_redis(tool: Tool, tmp_path: Path) -> None:
    handing_on, other_redis = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / ".env").write_text("RESULT_TTL=5\n")
    services = overridden(tool, tmp_path, handing_on)
    assert [services[name]["environment"]["RESULT_TTL"] for name in OURS] == ["5"] * 3
    services = overridden(tool, tmp_path, other_redis)
    assert set(services) == set(OURS)
    assert {services[name]["environment"]["REDIS_URL"].partition(":")[0] for name in OURS} == {"rediss"}


def test_the_page_names_the_variables_that_are_handed_on() -> None:
    handed_on = re.findall(r"^  (\w+): \$\{", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    (line,) = (line for line in PAGE.splitlines() if line.startswith("Of the [settings]"))
    assert set(handed_on) == set(re.findall(r"`([A-Z_]+)`", line))
    for name in OURS:
        assert {key for key, value in SERVICES[name]["environment"].items() if "${" in str(value)} == set(handed_on)


def test_up_redis_starts_redis_alone_and_up_all_but_the_proxy(tool: Tool) -> None:
    alone = json.loads(composed(tool, "config", "--format", "json", "redis"))
    assert list(alone["services"]) == ["redis"]
    assert set(composed(tool, "config", "--services").split()) == {"redis", *OURS}


def test_no_secret_has_a_value_in_the_file() -> None:
    for service in OURS:
        for name in ("API_KEYS", "CALLBACK_SECRETS"):
            assert SERVICES[service]["environment"][name] == f"${{{name}:-}}"


def test_no_variable_is_demanded_so_that_redis_alone_starts_without_any() -> None:
    values = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"\$\{\w+:?\?", values) == []
    assert re.findall(r"\$\{\w+\}", values) == []


def test_redis_alone_depends_on_nothing() -> None:
    assert "depends_on" not in SERVICES["redis"]
    assert "build" not in SERVICES["redis"]


def test_redis_is_pinned_and_configured_like_the_embedded_one() -> None:
    redis = SERVICES["redis"]
    assert re.fullmatch(r"valkey/valkey:\d+\.\d+\.\d+-alpine", redis["image"])
    words = redis["command"]
    told = dict(zip(words[1::2], words[2::2], strict=True))
    assert told == {
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
        "--maxmemory-policy": "noeviction",
        "--hash-max-listpack-value": "1024",
    }
    assert redis["volumes"] == ["redis-data:/data"]
    assert "redis-data" in COMPOSE["volumes"]


def test_an_attempt_has_its_grace_before_a_worker_is_killed() -> None:
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= read_settings(environment("worker")).shutdown_grace + WORKER_END_SECONDS


@pytest.mark.parametrize(("service", "port"), [("redis", 6379), ("api", 5001)])
def test_ports_are_published_on_loopback_only(service: str, port: int) -> None:
    assert SERVICES[service]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_nothing_else_is_published() -> None:
    assert not any("ports" in SERVICES[name] for name in ("worker", "beat"))
    assert SERVICES[TLS]["ports"] == ["80:80", "443:443", "443:443/udp"]


@pytest.mark.parametrize("service", OURS)
def test_service_waits_for_redis_and_is_locked_down(service: str) -> None:
    told = SERVICES[service]
    assert told["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert told["restart"] == "unless-stopped"
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told["tmpfs"] == ["/tmp"]
    assert told["command"] == ["python", "start.py", service]


@pytest.mark.parametrize("service", [*SERVICES])
def test_service_has_a_health_check(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_api_without_keys_says_what_is_missing(server: EmbeddedServer) -> None:
    with pytest.raises(SettingsError, match=r"HOST is 0\.0\.0\.0 and there is no key: .* or set API_KEYS"):
        require_key(read_settings(environment("api")), server.url)


@pytest.mark.parametrize("service", OURS)
def test_environment_with_keys_can_be_read(service: str) -> None:
    settings = read_settings(environment(service, API_KEYS=KEY))
    assert settings.redis_url == "redis://redis:6379/0"
    assert not settings.loopback_only  # by it a worker knows that private addresses are not to be reached


def test_image_holds_what_runs_and_nothing_else() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    copied = {word for words in copies for word in words.split()}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied == {"requirements.txt", "celery_app.py", "start.py", "app", "tasks", "sandbox"}
    assert copied == {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE) == ["10001:10001"]


# --- the health checks of workers and beat ---------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    settings = read_settings({"VAR_DIR": str(tmp_path_factory.mktemp("docker") / "var")})
    server = EmbeddedServer(settings, say=print)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def liveness(server: EmbeddedServer) -> Iterator[LivenessStore]:
    with connect(server.url) as client:
        client.flushdb()
    store = Store.at(server.url)
    yield store.liveness
    store.close()


def test_worker_counts_on_its_own_host_and_while_it_gives_signs_of_life(liveness: LivenessStore) -> None:
    now_ms = 1_000_000
    liveness.worker_alive("celery@here", {}, now_ms)
    assert is_alive("worker", liveness, "here", now_ms + SILENCE_MS - 1)
    assert not is_alive("worker", liveness, "here", now_ms + SILENCE_MS)
    assert not is_alive("worker", liveness, "elsewhere", now_ms)
    liveness.worker_alive("celery@here", {"consuming": False}, now_ms)
    assert not is_alive("worker", liveness, "here", now_ms), "it fetches nothing"


def test_beat_counts_on_its_own_host_even_while_another_works(liveness: LivenessStore) -> None:
    now_ms = 1_000_000
    assert not is_alive("beat", liveness, "here", now_ms)
    liveness.beat_ticked("beat@here:1", now_ms)
    liveness.beat_ticked("beat@elsewhere:1", now_ms + SILENCE_MS)
    assert is_alive("beat", liveness, "here", now_ms + SILENCE_MS - 1)
    assert not is_alive("beat", liveness, "here", now_ms + SILENCE_MS)
    assert is_alive("beat", liveness, "elsewhere", now_ms + SILENCE_MS)
    assert not is_alive("beat", liveness, "els", now_ms + SILENCE_MS)


def check(service: str, redis_url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a service's health check as it stands in docker-compose.yml."""
    command = [sys.executable, *SERVICES[service]["healthcheck"]["test"][2:], *options]
    env = {**os.environ, "REDIS_URL": redis_url}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_health_check_of_beat_runs(liveness: LivenessStore, server: EmbeddedServer) -> None:
    answer = check("beat", server.url)
    assert (answer.returncode, answer.stdout) == (1, "beat is not alive\n")
    with ticking(liveness):
        answer = check("beat", server.url)
    assert (answer.returncode, answer.stdout) == (0, "beat is alive\n")


@contextmanager
def ticking(liveness: LivenessStore) -> Iterator[None]:
    """A beat on this host that lives during the block: the check may take longer than one tick counts."""
    is_over, has_begun = threading.Event(), threading.Event()

    def tick() -> None:
        while not is_over.wait(0.5 if has_begun.is_set() else 0):
            liveness.beat_ticked(f"beat@{socket.gethostname()}:1", time.time_ns() // 1_000_000)
            has_begun.set()

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        assert has_begun.wait(15)
        yield
    finally:
        is_over.set()
        thread.join()


def test_health_check_without_redis_is_one_sentence(tmp_path: Path) -> None:
    answer = check("worker", f"unix://{tmp_path}/none.sock")
    assert answer.returncode == 1
    assert check("worker", f"unix://{tmp_path}/none.sock", "--ignore-redis").returncode == 0
    assert answer.stderr.startswith("Redis can't be used: ")
    assert "Traceback" not in answer.stderr


def test_nobody_is_killed_for_a_redis_that_refuses_to_write_heartbeats(
    liveness: LivenessStore, server: EmbeddedServer
) -> None:
    words = "Redis can't be used: Redis has fewer replicas than its min-replicas-to-write and refuses writes\n"
    with connect(server.url) as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            answer = check("worker", server.url)
            assert (answer.returncode, answer.stderr) == (1, words)
            assert check("beat", server.url, "--ignore-redis").returncode == 0
        finally:
            client.config_set("min-replicas-to-write", 0)
