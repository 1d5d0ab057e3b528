"""Celery uses the same database as the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from kombu import Connection

from app.store.client import connect
from celery_app import kombu_url
from tests.servers import throw_away_redis
from tests.system import free_port, run_module

#: With everything that has a meaning in a URL.
PASSWORD = "p@ss:w/o?r#d +%41"


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("redis://localhost:6379/0", 0),
        ("redis://localhost:6379/3", 3),
        ("redis://localhost:6379?db=4", 4),
        ("redis://:secret@localhost:6379/?db=4", 4),
        ("redis://localhost:6379/0?db=4", 4),
        ("rediss://user:secret@localhost:6380/5", 5),
    ],
)
def test_both_use_the_same_database(url: str, database: int) -> None:
    ours = connect(url)
    assert int(ours.connection_pool.connection_kwargs.get("db") or 0) == database
    with Connection(kombu_url(url)) as theirs:
        assert int(theirs.virtual_host or 0) == database


@pytest.mark.parametrize("database", [0, 2])
def test_both_use_the_same_database_on_a_socket(redis_url: str, database: int) -> None:
    url = f"{redis_url.partition('?')[0]}?db={database}"
    with Connection(kombu_url(url)) as theirs, theirs.SimpleQueue("same-database") as queue:
        queue.put("hello")
        assert connect(url).llen("same-database") == 1
        queue.clear()


@pytest.fixture(scope="module")
def places(redis_program_path: Path) -> Iterator[dict[str, str]]:
    """A Redis that wants a password: where it is by socket and by TCP."""
    port = free_port()
    with throw_away_redis(redis_program_path, "--port", str(port), "--requirepass", PASSWORD) as server:
        with redis.Redis.from_url(server.url, password=PASSWORD) as admin:
            admin.acl_setuser("other", enabled=True, passwords=f"+{PASSWORD}", keys="*", commands=["+@all"])
        yield {"unix": str(server.socket), "redis": f"127.0.0.1:{port}/0"}


@pytest.mark.parametrize("scheme", ["unix", "redis"])
@pytest.mark.parametrize(
    ("before", "query", "user"),
    [
        ("", "password=SECRET", "default"),
        ("", "username=other&password=SECRET", "other"),
        (":SECRET@", "username=other", "other"),
        ("other@", "password=SECRET", "other"),
        ("other:SECRET@", "username=nobody&password=wrong", "other"),  # what stands before the host wins
    ],
)
def test_both_have_the_same_user_and_password(
    scheme: str, before: str, query: str, user: str, places: dict[str, str]
) -> None:
    url = f"{scheme}://{before}{places[scheme]}?db=0&{query}".replace("SECRET", quote(PASSWORD, safe=""))
    assert connect(url).acl_whoami() == user
    with Connection(kombu_url(url)) as theirs:
        assert theirs.default_channel.client.acl_whoami() == user


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_without_a_redis_the_process_ends_with_one_sentence(tmp_path: Path, role: str) -> None:
    settings = {"REDIS_URL": "", "VAR_DIR": str(tmp_path / "var"), "API_KEYS": "short"}
    ended = run_module("celery", "-A", "celery_app", role, **settings)
    assert ended.returncode == 2
    assert "celeriac can't start: API_KEYS entry 1 is not name:scope:key" in ended.stderr
    assert "Traceback" not in ended.stderr
