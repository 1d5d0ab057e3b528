"""`python start.py keys …`: what is printed where, exit statuses, and errors in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from app.launch import key_commands
from tests.conftest import VirtualClock
from tests.servers import RedisServer
from tests.system import needs_no_local_redis
from tests.system import run as run_start

Run = Callable[..., "tuple[int, str, str]"]
NAME_REFUSED = "the name must have 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit"
KEY = re.compile(r"celeriac_[A-Za-z0-9_-]{43}\n")
HOUR_MS = 3_600_000


@pytest.fixture
def run(
    own_server: RedisServer,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command on a Redis of its own; status, stdout and stderr."""
    monkeypatch.setenv("REDIS_URL", own_server.url)
    monkeypatch.delenv("API_KEYS", raising=False)

    def run(line: str) -> tuple[int, str, str]:
        status = key_commands.main(line.split(), clock)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_create_prints_the_key_alone_on_stdout(run: Run) -> None:
    status, out, err = run("create ci --scope write --expires 90d")
    assert status == 0
    assert KEY.fullmatch(out)
    assert err.splitlines()[1] == "created the key ci (write, expires 2027-02-21T08:30:00Z); it is shown only now:"
    assert out.strip() not in err


def test_list_tells_when_each_was_last_used_and_never_the_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, first, _ = run("create ci --scope write --expires 90d")
    run("create dashboard --scope read")
    monkeypatch.setenv("API_KEYS", f"env:admin:{'k' * 32}")
    status, out, _ = run("list")
    assert status == 0
    assert out.splitlines() == [
        "NAME       SCOPE  CREATED               EXPIRES               LAST USED  STATE",
        "ci         write  2026-11-23T08:30:00Z  2027-02-21T08:30:00Z  never      valid",
        "dashboard  read   2026-11-23T08:30:00Z  never                 never      valid",
        "env        admin  -                     never                 never      API_KEYS",
    ]
    assert first.strip() not in out


def test_rotate_prints_the_new_key_and_keeps_the_old_one_for_a_while(run: Run, clock: VirtualClock) -> None:
    run("create ci --scope write")
    clock.advance(HOUR_MS)
    status, out, _ = run("rotate ci --overlap 2h")
    assert status == 0
    assert KEY.fullmatch(out)
    states = [line.split()[-3:] for line in run("list")[1].splitlines()[1:]]
    assert states == [["never", "never", "valid"], ["2026-11-23T11:30:00Z", "never", "replaced"]]
    clock.advance(2 * HOUR_MS)
    assert run("list")[1].splitlines()[2].endswith("expired")


@pytest.mark.parametrize(
    ("age_ms", "overlap", "told"),
    [
        (0, "2h", "is valid until 2026-11-23T10:30:00Z"),
        (0, "0s", "is no longer valid"),
        (0, "7d", "is valid until 2026-11-24T08:30:00Z"),  # by its own expiry
        (25 * HOUR_MS, "2h", "is no longer valid"),  # it has expired
    ],
)
def test_rotate_tells_for_how_long_the_old_key_is_valid(
    run: Run, clock: VirtualClock, age_ms: int, overlap: str, told: str
) -> None:
    run("create ci --scope write --expires 1d")
    clock.advance(age_ms)
    assert run(f"rotate ci --overlap {overlap}")[2].splitlines()[-1].endswith(f"the old one {told}:")


def test_rotate_overlaps_for_a_day_unless_told_otherwise(run: Run) -> None:
    run("create ci --scope write")
    run("rotate ci")
    assert "2026-11-24T08:30:00Z" in run("list")[1]


def test_a_stored_key_can_be_revoked_though_api_keys_has_its_name_since(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("create env --scope write")
    monkeypatch.setenv("API_KEYS", f"env:admin:{'k' * 32}")
    status, _, err = run("revoke env")
    assert (status, err.splitlines()[1:3]) == (
        0,
        ["revoked the key env", "the key env of API_KEYS stays valid: change it there"],
    )
    assert [line.split()[-1] for line in run("list")[1].splitlines()[1:]] == ["API_KEYS"]


def test_revoke_says_when_no_key_is_left(run: Run) -> None:
    run("create one --scope write")
    run("create two --scope write")
    assert run("revoke one")[2].splitlines()[1:] == ["revoked the key one"]
    status, out, err = run("revoke two")
    assert (status, out) == (0, "")
    assert err.splitlines()[2].startswith("no key is left in Redis")
    assert run("list") == (0, "", run("list")[2])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "the following arguments are required: create|list|rotate|revoke"),
        ("create", "the following arguments are required: name, --scope"),
        ("create ci", "the following arguments are required: --scope"),
        ("create ci --scope read --expires 90", "argument --expires: '90' must be a number with a unit: "),
        ("create ci --scope read --expires 99999d", "argument --expires: '99999d' must be at most ten years (3650d)"),
        ("create ci --scope read --expires 0d", "argument --expires: '0d' must be at least 1s"),
        ("rotate ci --expires 0s", "argument --expires: '0s' must be at least 1s"),
        ("create ci --scope root", "argument --scope: invalid choice: 'root' (choose from "),
        ("rotate ci --overlap -1h", "argument --overlap: expected one argument"),
        ("list more", "unrecognized arguments: more"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_status_2(run: Run, line: str, sentence: str) -> None:
    status, out, err = run(line)
    assert (status, out) == (2, "")
    assert err.startswith(f"start.py: {sentence}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("create ci --scope read", "there is a key named ci already: rotate or revoke it, or choose another name"),
        ("create a:b --scope read", NAME_REFUSED),
        ("create .b --scope read", NAME_REFUSED),
        ("create local --scope read", "the name local has a meaning of its own in the audit: choose another"),
        ("create env --scope read", "API_KEYS has a key named env: choose another name"),
        ("rotate none", "there is no key named none"),
        ("rotate env", "the key env comes from API_KEYS: change it there"),
        ("revoke none", "there is no key named none"),
        ("revoke env", "the key env comes from API_KEYS: change it there"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_and_status_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    run("create ci --scope read")
    monkeypatch.setenv("API_KEYS", f"env:admin:{'k' * 32}")
    status, out, err = run(line)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == f"start.py: {sentence}"


def test_a_bad_setting_is_status_2_and_an_absent_redis_status_1(
    run: Run, own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_server.stop()
    status, _, err = run("revoke ci")
    assert status == 1
    assert "Redis can't be reached" in err
    assert err.endswith("): `keys list` tells whether anything was changed\n")
    status, _, err = run("list")
    assert status == 1
    assert "Redis can't be reached" in err
    assert err.endswith(")\n"), "it only reads"
    monkeypatch.setenv("PORT", "abc")
    status, _, err = run("list")
    assert status == 2
    assert err.startswith("start.py: PORT ")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("list", ""),
        ("create new --scope read", ": the key new exists, and nobody has seen it: rotate it"),
        ("rotate ci", ": the key ci exists, and nobody has seen it: rotate it"),
    ],
)
def test_output_that_nobody_takes_is_named(run: Run, line: str, advice: str) -> None:
    run("create ci --scope read")
    with Path("/dev/full").open("w") as full:
        done = run_start("keys", *line.split(), stdout=full.fileno())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"start.py: the output: No space left on device{advice}"
    assert "Traceback" not in done.stderr


def test_it_starts_the_embedded_redis_if_none_runs_and_stops_it(tmp_path: Path) -> None:
    needs_no_local_redis()
    var_dir = str(tmp_path / "var")
    created = run_start("keys", "create", "ci", "--scope", "write", is_warm=False, VAR_DIR=var_dir)
    assert created.returncode == 0, created.stderr
    assert KEY.fullmatch(created.stdout)
    assert not (tmp_path / "var" / "redis.sock").exists()
    assert run_start("keys", "list", VAR_DIR=var_dir).stdout.splitlines()[1].startswith("ci ")


def test_a_key_is_revoked_although_the_memory_is_full(
    run: Run, own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    run("create ci --scope write")
    with redis.Redis.from_url(own_server.url) as raw:
        raw.config_set("maxmemory", "1")
    status, _, err = run("revoke ci")
    assert (status, err.splitlines()[1]) == (0, "revoked the key ci")
    assert [getattr(record, "action", None) for record in caplog.records] == ["audit_lost"]
    status, out, err = run("create other --scope read")
    assert (status, out) == (1, "")
    assert err.splitlines()[1] == "start.py: Redis is out of memory; nothing was changed"
