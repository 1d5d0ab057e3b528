"""Celeriac's user in Redis: a whole service works with the rights in docs/redis.md, needs each, and has no others.

The tests in tests/store run with the same rights.
"""

from __future__ import annotations

import ast
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.redis_acl import PASSWORD, create_user, documented_commands, refusals
from tests.servers import ROOT, CeleryProcess, ModuleProcess, throw_away_redis
from tests.system import Started, run, wait_until

CODE = {"name": "n", "function_code": "def f(): return 1", "function_name": "f"}
STORE = ROOT / "app" / "store"
#: What the test itself calls.
ADMINS = {
    "acl|setuser",
    "acl|log",
    "acl|dryrun",
    "info",
    "command",
    "ping",
    "hello",
    "command|list",
    "config|resetstat",
}


@pytest.fixture(scope="module")
def admin(redis_program_path: Path) -> Iterator[redis.Redis]:
    """A Redis with the user, and a client that may do everything."""
    with (
        throw_away_redis(redis_program_path) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as admin,
    ):
        if not hasattr(admin, "acl_dryrun") or int(str(admin.info()["redis_version"]).split(".")[0]) < 7:
            pytest.skip("before version 7, Redis does not count subcommands")
        create_user(admin)
        yield admin


@pytest.fixture(scope="module")
def url(admin: redis.Redis) -> str:
    """The URL with the user."""
    path = admin.connection_pool.connection_kwargs["path"]
    return f"unix://celeriac:{PASSWORD}@{path}?db=0"


def test_a_service_works_with_the_documented_rights_and_needs_each_of_them(admin: redis.Redis, url: str) -> None:
    admin.config_resetstat()
    with tempfile.TemporaryDirectory(prefix="cel-") as folder:
        service = Started(Path(folder), REDIS_URL=url)
        try:
            service.wait_until_ready(seconds=90)
            _use(service, url, Path(folder))
            service.end(signal.SIGTERM, 30)
        finally:
            service.clean_up()
    assert refusals(admin) == []
    seen = {name.removeprefix("cmdstat_") for name in admin.info("commandstats")} - ADMINS
    needed = _in_scripts() | _in_python(admin) | seen | {"ping", "info"}
    assert documented_commands() == needed


def test_a_worker_without_a_right_ends_and_says_which(admin: redis.Redis, url: str, tmp_path: Path) -> None:
    """It must not look as if it were ready."""
    admin.flushdb()
    admin.execute_command("ACL", "SETUSER", "celeriac", "-type")
    worker = CeleryProcess(tmp_path, url, "worker", "-n", "powerless@test", "--loglevel=info")
    try:
        worker.wait_for("the worker can't run", 60)
        assert worker.process.wait(30) != 0
        assert "ACL failure" in worker.output or "can't run this command" in worker.output
    finally:
        worker.kill()
        create_user(admin)


def _use(service: Started, url: str, folder: Path) -> None:
    """What makes each process do its work."""
    status, task = service.call("POST", "/api/tasks", CODE, Prefer="wait=4")
    assert status == 201
    wait_until(lambda: service.get(f"/api/tasks/{task['id']}")["status"] == "succeeded", 20, "a success")
    service.post("/api/tasks", {**CODE, "task_type": "delayed", "delay_seconds": 60})
    schedule = service.post("/api/scheduled-tasks", {**CODE, "cron_expression": "* * * * * *"})
    path = f"/api/scheduled-tasks/{schedule['id']}"
    wait_until(lambda: service.get(path)["run_count"], 20, "a firing")
    assert service.call("POST", "/api/bulk", {"action": "stop", "filter": {"status": "waiting"}})[0] == 202
    worker = service.get("/api/workers")["items"][0]["hostname"]
    created = run("keys", "create", "ci", "--scope", "read", REDIS_URL=url)
    assert created.returncode == 0, created.stderr
    # Of one worker, the answer is waited for; of all of them, those within a second are taken.
    words = ("celery", "-A", "celery_app", "inspect", "--timeout", "60", "--destination", worker, "ping")
    inspected = ModuleProcess(words, folder / "inspect.log", ROOT, {"REDIS_URL": url})
    try:
        assert inspected.process.wait(90) == 0, inspected.output
    finally:
        inspected.kill()


def _in_scripts() -> set[str]:
    """The commands in the Lua scripts."""
    texts = [path.read_text() for path in STORE.rglob("*") if path.suffix in (".lua", ".py")]
    return {name.lower() for text in texts for name in re.findall(r"\b(?:p?call|gather)\('([A-Z]+)'", text)}


def _in_python(admin: redis.Redis) -> set[str]:
    """The commands that the store's Python sends: calls of a client's or pipeline's methods, and words in capitals."""
    listed = {str(name) for name in admin.execute_command("COMMAND LIST")}
    known = {name for name in listed if "|" not in name} - {name.partition("|")[0] for name in listed if "|" in name}
    texts = [path.read_text() for path in STORE.rglob("*.py") if path.parent.name != "snapshot"]  # a tool's, see docs
    called = {call.attr for text in texts for call in _calls(ast.parse(text))}
    return (called | {name.lower() for text in texts for name in re.findall(r'"([A-Z]+)"', text)}) & known


def _calls(tree: ast.AST) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if name.strip("_") in ("client", "pipeline", "pipe"):
                yield node.func


Do = Callable[[redis.Redis], Any]


@pytest.mark.parametrize(
    "do",
    [
        pytest.param(lambda user: user.flushdb(), id="flushdb"),
        pytest.param(lambda user: user.keys("*"), id="keys"),
        pytest.param(lambda user: user.config_get("*"), id="config"),
        pytest.param(lambda user: user.acl_list(), id="acl"),
        pytest.param(lambda user: user.client_list(), id="client list"),
        pytest.param(lambda user: user.shutdown(), id="shutdown"),
        pytest.param(lambda user: user.get("other"), id="another key"),
        pytest.param(lambda user: user.set("celeria", "x"), id="a key with a similar name"),
        pytest.param(lambda user: user.publish("other", "x"), id="another channel"),
        pytest.param(lambda user: user.rename("celeriac:seq", "other"), id="from a key to another"),
        pytest.param(lambda user: user.eval("return redis.call('GET', 'other')", 0), id="by eval"),
        pytest.param(
            lambda user: user.evalsha(user.script_load("return redis.call('GET', 'other')"), 0), id="by a script"
        ),
    ],
)
def test_nothing_else_is_permitted(admin: redis.Redis, url: str, do: Do) -> None:
    with redis.Redis.from_url(url, decode_responses=True) as user:
        user.set("celeriac:seq", "1")
        with pytest.raises(redis.ResponseError, match=r"(?i)permission"):
            do(user)
    admin.delete("celeriac:seq")
    admin.execute_command("ACL", "LOG", "RESET")
