"""`celeriac export`, `import` and `apply`, against a running API."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from app.apply import command
from app.apply.client import ServiceClient, ServiceError
from app.apply.documents import Invalid, read_files
from app.apply.reading import BadFile, read_json, read_yaml, write_yaml
from tests.servers import HttpTarget, RedisServer, throw_away_redis, wait_until
from tests.system import ROOT, Started

NOW_MS = 1_795_422_600_000
KEY = "k" * 32
READ_KEY = "r" * 32
Run = Callable[..., "tuple[int, str, str]"]

NIGHTLY = """\
key: team-nightly
name: Nightly report
cron_expression: 30 8 * * 1-5
timezone: Europe/Berlin
function_name: main
function_code: |
  def main():
      return 1
"""
PING = """\
key: team-ping
name: Ping
every_seconds: 60
api_url: https://example.com/ping
tags: [ops]
"""


@pytest.fixture(scope="module")
def service(redis_program_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """An API on a Redis of its own, with a key."""
    with throw_away_redis(redis_program_path) as server:
        settings = {"REDIS_URL": server.url, "API_KEYS": f"ci:write:{KEY},look:read:{READ_KEY}"}
        started = Started(tmp_path_factory.mktemp("apply"), "api", **settings)
        try:
            started.wait_until_ready("/health/live", seconds=120)
            started.redis = server  # type: ignore[attr-defined]
            yield started
        finally:
            started.clean_up()


@pytest.fixture
def run(service: Started, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a service without data; status, stdout and stderr."""
    server: RedisServer = service.redis  # type: ignore[attr-defined]
    with redis.Redis.from_url(server.url) as raw:
        raw.flushall()
    monkeypatch.setenv("CELERIAC_URL", f"http://127.0.0.1:{service.port}")
    monkeypatch.setenv("CELERIAC_API_KEY", KEY)

    def run(name: str, *words: object) -> tuple[int, str, str]:
        try:
            status = getattr(command, name)([str(word) for word in words])
        except SystemExit as end:  # argparse
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two schedules in a file."""
    (tmp_path / "team.yaml").write_text(f"{NIGHTLY}---\n{PING}")
    return tmp_path


def found(run: Run) -> dict[str, dict[str, Any]]:
    """What the service has, by key."""
    return {document["key"]: document for document in json.loads(run("export", "--format", "json")[1])}


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / "team.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


# --- apply -------------------------------------------------------------------------------------------


def test_apply_makes_what_files_declare_and_then_nothing(run: Run, folder: Path) -> None:
    status, out, err = run("apply", folder)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "2 new, 0 changed, 0 deleted, 0 unchanged"
    assert found(run)["team-ping"] == {
        "key": "team-ping",
        "name": "Ping",
        "tags": ["ops"],
        "api_url": "https://example.com/ping",
        "every_seconds": 60,
        "timezone": "UTC",
    }
    assert run("apply", folder) == (0, "0 new, 0 changed, 0 deleted, 2 unchanged\n", "")


def test_blanks_around_an_expression_are_no_change(run: Run, folder: Path) -> None:
    edit(folder, "cron_expression: 30 8 * * 1-5", "cron_expression: >\n  30 8 * * 1-5")
    run("apply", folder)
    assert run("apply", folder) == (0, "0 new, 0 changed, 0 deleted, 2 unchanged\n", "")


def test_a_key_that_may_only_read_is_enough_to_look(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("apply", folder)
    edit(folder, "30 8 * * 1-5", "0 9 * * *")
    monkeypatch.setenv("CELERIAC_API_KEY", READ_KEY)
    assert run("apply", "--diff", "--exit-code", "--prune", "--prefix", "", folder)[0] == 2
    assert list(found(run)) == ["team-nightly", "team-ping"]
    status, _, err = run("apply", folder)
    assert status == 1
    assert "the key look may only read: this needs write" in err


def test_diff_shows_fields_and_next_firings_and_changes_nothing(run: Run, folder: Path) -> None:
    status, out, err = run("apply", "--diff", folder)
    assert (status, err) == (0, "")
    assert out.startswith('+ team-nightly (new)\n    name: "Nightly report"\n')
    assert out.splitlines()[-1] == "would be: 2 new, 0 changed, 0 deleted, 0 unchanged"
    assert found(run) == {}
    run("apply", folder)
    edit(folder, "30 8 * * 1-5", "0 9 * * *")
    edit(folder, "return 1", "return 2")
    status, out, _ = run("apply", "--diff", folder)
    lines = out.splitlines()
    assert lines[0] == "~ team-nightly"
    assert '    cron_expression: "30 8 * * 1-5" -> "0 9 * * *"' in lines
    assert "      -    return 1" in lines
    assert "      +    return 2" in lines
    (firings,) = [line for line in lines if line.startswith("    next firings: ")]
    assert firings.count("T07:30:00.000Z") == 3 or firings.count("T06:30:00.000Z") > 0  # in summer or winter
    assert firings.count(" -> ") == 1
    assert lines[-1] == "would be: 0 new, 1 changed, 0 deleted, 1 unchanged"
    assert found(run)["team-nightly"]["cron_expression"] == "30 8 * * 1-5"


def test_firings_in_a_difference_are_those_of_the_service(run: Run, folder: Path, service: Started) -> None:
    run("apply", folder)
    edit(folder, "every_seconds: 60", 'cron_expression: "H H * * *"')
    out = run("apply", "--diff", folder)[1]
    run("apply", folder)
    headers = {"Authorization": f"Bearer {KEY}"}
    items = service.call("GET", "/api/scheduled-tasks?name=Ping", **headers)[1]["items"]
    whole = service.call("GET", f"/api/scheduled-tasks/{items[0]['id']}", **headers)[1]
    assert out.split(" -> ")[-1].splitlines()[0] == ", ".join(whole["next_runs"][:3])


def test_new_schedule_with_an_h_tells_its_firings_once_it_has_them(run: Run, folder: Path) -> None:
    edit(folder, "every_seconds: 60", 'cron_expression: "H 3 * * *"')
    assert "    next firings: once H has its value\n" in run("apply", "--diff", folder)[1]


@pytest.mark.parametrize(
    ("change", "status"),
    [(("Ping", "Pong"), 2), (("key: team-ping", "key: team-other"), 2), (("tags: [ops]", "tags: ['ops']"), 0)],
)
def test_exit_code_tells_ci_whether_there_are_changes(
    change: tuple[str, str], status: int, run: Run, folder: Path
) -> None:
    run("apply", folder)
    edit(folder, *change)
    assert run("apply", "--diff", "--exit-code", folder)[0] == status
    assert run("apply", "--diff", folder)[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["apply"],
        ["apply", "--bogus", "x"],
        ["apply", "--diff", "--exit-code", "none.yaml"],
        ["export", "--format", "x"],
    ],
)
def test_error_never_looks_like_changes(words: list[str], run: Run) -> None:
    assert run(*words)[0] == 1


def test_prune_deletes_what_the_files_own_and_do_not_declare(run: Run, folder: Path) -> None:
    (folder / "other.yaml").write_text(PING.replace("team-", "others-"))
    run("apply", folder)
    (folder / "other.yaml").unlink()
    (folder / "team.yaml").write_text(NIGHTLY)
    _, out, _ = run("apply", "--diff", "--prune", "--prefix", "team-", folder)
    assert out.splitlines()[:2] == ["- team-ping (deleted)", *out.splitlines()[1:2]]
    assert out.splitlines()[-1] == "would be: 0 new, 0 changed, 1 deleted, 1 unchanged"
    assert len(found(run)) == 3
    assert run("apply", "--prune", "--prefix", "team-", folder)[0] == 0
    assert found(run).keys() == {"team-nightly", "others-ping"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prune"], "--prune needs --prefix"),
        (["--prune", "--prefix", "other-"], "the key team-nightly does not begin with other-"),
        (["--prefix", "other-"], "the key team-nightly does not begin with other-"),
    ],
)
def test_prune_without_a_clear_owner_is_refused(words: list[str], sentence: str, run: Run, folder: Path) -> None:
    status, out, err = run("apply", *words, folder)
    assert (status, out) == (1, "")
    assert sentence in err
    assert found(run) == {}


def test_prune_with_an_empty_folder_deletes_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    run("apply", folder)
    (tmp_path / "empty").mkdir()
    status, _, err = run("apply", "--prune", "--prefix", "team-", tmp_path / "empty")
    assert status == 1
    assert "is this the right folder?" in err
    assert len(found(run)) == 2


def test_schedule_without_a_key_is_never_touched(run: Run, folder: Path, service: Started) -> None:
    body = {"name": "hand-made", "every_seconds": 60, "api_url": "https://example.com/"}
    service.call("POST", "/api/scheduled-tasks", body, Authorization=f"Bearer {KEY}")
    run("apply", "--prune", "--prefix", "", folder)
    _, _, err = run("export")
    assert err == "1 scheduled tasks have no key and are left out\n"


def test_file_pauses_and_resumes_only_if_it_says_so(run: Run, folder: Path) -> None:
    edit(folder, "tags: [ops]", "paused: true")
    out = run("apply", folder)[1]
    assert "    paused: true\n" in out
    assert found(run)["team-ping"]["paused"] is True
    edit(folder, "paused: true", "priority: 7")
    run("apply", folder)
    assert found(run)["team-ping"]["paused"] is True
    edit(folder, "priority: 7", "priority: 7\npaused: false")
    out = run("apply", folder)[1]
    assert out.splitlines()[:2] == ["~ team-ping", "    paused: false"]
    assert "paused" not in found(run)["team-ping"]


@pytest.fixture
def refuses_to_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service refuses to pause anything."""

    def refuse(*_: object) -> None:
        raise ServiceError("503: no Redis")

    monkeypatch.setattr(ServiceClient, "act", refuse)


@pytest.mark.usefixtures("refuses_to_pause")
def test_new_one_that_can_not_be_paused_is_not_left_active(run: Run, folder: Path) -> None:
    edit(folder, "tags: [ops]", "paused: true")
    status, out, err = run("apply", folder)
    assert (status, found(run).keys()) == (1, {"team-nightly"})
    assert err == "start.py: team-ping: 503: no Redis; it was created, could not be paused and was deleted again\n"
    assert out.splitlines()[-1] == "1 new, 0 changed, 0 deleted, 0 unchanged"


@pytest.mark.usefixtures("refuses_to_pause")
def test_new_one_that_can_neither_be_paused_nor_deleted_is_told(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ServiceError("503: still no Redis")

    monkeypatch.setattr(ServiceClient, "delete", refuse)
    edit(folder, "tags: [ops]", "paused: true")
    status, _, err = run("apply", folder)
    assert (status, found(run)["team-ping"].get("paused")) == (1, None)
    assert err == (
        "start.py: team-ping: 503: no Redis; it was created and is active, "
        "since it could be neither paused nor deleted (503: still no Redis)\n"
    )


@pytest.mark.usefixtures("refuses_to_pause")
def test_one_that_somebody_else_created_meanwhile_is_not_deleted(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("apply", folder)
    edit(folder, "tags: [ops]", "paused: true")
    with monkeypatch.context() as patch:
        patch.setattr(ServiceClient, "schedules", lambda _: iter(()))
        words = "start.py: team-ping: 503: no Redis; it could not be paused and is active\n"
        assert run("apply", folder)[::2] == (1, words)
    assert "team-ping" in found(run)


def test_one_that_the_service_refuses_does_not_stop_the_others(run: Run, folder: Path) -> None:
    edit(folder, "return 1", "import os")
    status, out, err = run("apply", folder)
    assert status == 1
    assert err.startswith("start.py: team-nightly: 422: ")
    assert "os" in err
    assert found(run).keys() == {"team-ping"}
    assert out.splitlines()[-1] == "1 new, 0 changed, 0 deleted, 0 unchanged"


# --- secrets -----------------------------------------------------------------------------------------


def test_value_of_a_header_comes_from_the_environment(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder, "tags: [ops]", 'headers: {Authorization: "Bearer ${PING_TOKEN}"}')
    status, _, err = run("apply", folder)
    assert (status, err.count("headers.Authorization needs the environment variable PING_TOKEN")) == (1, 1)
    monkeypatch.setenv("PING_TOKEN", "very-secret")
    status, out, err = run("apply", folder)
    assert status == 0
    assert "very-secret" not in out + err
    monkeypatch.setenv("PING_TOKEN", "another")
    _, out, err = run("apply", "--diff", folder)
    assert out == "would be: 0 new, 0 changed, 0 deleted, 2 unchanged\n"
    assert "1 unchanged ones have headers, whose values can't be compared" in err
    assert run("apply", folder)[1].splitlines()[:2] == ["~ team-ping", "    headers: changed"]
    assert run("apply", folder)[1] == "0 new, 0 changed, 0 deleted, 2 unchanged\n"


def apply_end_that_comes_soon(run: Run, folder: Path) -> datetime:
    """Apply a file whose schedule ends as soon as this machine can apply it before that: it has to leave a firing."""
    text = (folder / "team.yaml").read_text()
    for seconds in (2.5, 10, 40):
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        edit(folder, "every_seconds: 60", f"every_seconds: 1\nend_at: {end.isoformat()}")
        status, _, err = run("apply", folder)
        if status == 0:
            return end
        assert "leaves no firing from now on" in err
        (folder / "team.yaml").write_text(text)
    pytest.fail(f"not even {seconds} s were enough")


def test_a_file_is_applied_again_after_its_end(run: Run, folder: Path) -> None:
    end = apply_end_that_comes_soon(run, folder)
    wait_until(lambda: datetime.now(UTC) > end, 60, "the end")
    edit(folder, "tags: [ops]", "tags: [dev]")
    assert run("apply", folder)[0] == 0
    assert found(run)["team-ping"]["tags"] == ["dev"]
    edit(folder, f"end_at: {end.isoformat()}", "end_at: 2020-01-01T00:00:00Z")
    status, _, err = run("apply", folder)
    assert (status, "leaves no firing from now on" in err) == (1, True), err


def test_a_file_that_pauses_what_has_ended_is_applied_again(run: Run, folder: Path) -> None:
    end = apply_end_that_comes_soon(run, folder)
    wait_until(lambda: datetime.now(UTC) > end, 60, "the end")
    for paused in ("true", "false"):  # what is resumed after its end has ended
        edit(folder, "tags:", f"paused: {paused}\ntags:")
        assert run("apply", folder)[0] == 0
        edit(folder, f"paused: {paused}\n", "")
    edit(folder, "tags: [ops]", "tags: [ops]\npaused: true")
    assert run("apply", folder) == (0, "0 new, 0 changed, 0 deleted, 2 unchanged\n", "")  # it fires no more
    edit(folder, "tags: [ops]", "tags: [dev]")
    changed = '~ team-ping\n    tags: ["ops"] -> ["dev"]\n0 new, 1 changed, 0 deleted, 1 unchanged\n'
    assert run("apply", folder) == (0, changed, "")
    edit(folder, "paused: true", "paused: true\nmax_runs: 5")  # it might fire again, but not after its end
    changed = "~ team-ping\n    max_runs: 5\n0 new, 1 changed, 0 deleted, 1 unchanged\n"
    assert run("apply", folder) == (0, changed, "")
    edit(folder, f"end_at: {end.isoformat()}", "end_at: 2099-01-01T00:00:00Z")
    status, out, err = run("apply", folder)
    assert (status, "    paused: true\n" in out, found(run)["team-ping"].get("paused")) == (0, True, True), err


def test_any_header_can_be_exported(run: Run, folder: Path) -> None:
    form = "{Host: a.example, Content-Type: application/x-www-form-urlencoded}"
    edit(folder, "tags: [ops]", f"headers: {form}\nmethod: POST\ndata: {{a: [1]}}")
    assert run("apply", folder)[0] == 0
    assert found(run)["team-ping"]["headers"] == {"Content-Type": "***", "Host": "***"}
    assert run("apply", "--diff", "--exit-code", folder)[0] == 0, "nothing has changed"


def test_hidden_value_of_an_export_is_not_sent_back(run: Run, folder: Path, tmp_path: Path) -> None:
    edit(folder, "tags: [ops]", "headers: {X: secret}")
    run("apply", folder)
    _, out, err = run("export")
    assert "secret" not in out
    assert "1 scheduled tasks have headers, whose values the service does not tell" in err
    (tmp_path / "export.yaml").write_text(out)
    status, _, err = run("import_", tmp_path / "export.yaml")
    assert status == 1
    assert "headers.X is hidden" in err
    assert err.count("headers.X") == 1, "told once"


def test_key_goes_nowhere_but_to_the_service(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, err = run("export", "--url", "http://user:pass@127.0.0.1:1")
    assert err == "start.py: the URL of the service must have no user or password\n"
    monkeypatch.setenv("CELERIAC_API_KEY", "wrong" * 8)
    status, _, err = run("export")
    assert status == 1
    assert err.startswith("start.py: 401: ")
    assert "wrong" not in err


def test_url_and_key_may_end_with_the_line_end_of_a_secret(
    service: Started, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERIAC_URL", f"http://127.0.0.1:{service.port}\n")
    monkeypatch.setenv("CELERIAC_API_KEY", f"{KEY}\r\n")
    assert run("export")[0] == 0


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY}\u20ac"])
def test_key_that_can_not_be_sent_is_not_told(run: Run, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("CELERIAC_API_KEY", key)
    status, out, err = run("export")
    assert (status, out) == (1, "")
    assert err == "start.py: the key has characters that no key has, such as a line end\n"


@pytest.mark.parametrize("url", ["ftp://x", "file:///etc/passwd", "tasks.example", "http://x/?a=b", ""])
def test_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ServiceError, match="must be like"):
        ServiceClient(url, "")


# --- a service that is none --------------------------------------------------------------------------


class Strange(http.server.BaseHTTPRequestHandler):
    """Answers with what the path of the base URL says, and remembers the requests."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        status, head, body = {
            "page": (200, {}, b"<html>hello</html>"),
            "json": (200, {}, b'{"hello": 1}'),
            "elsewhere": (302, {"Location": "/json/stolen"}, b""),
            "large": (200, {}, b" " * 16_777_217),
            "rude": (400, {}, b'{"detail": "\\u001b[2J\\u202eno"}'),
            "busy": (429, {"Retry-After": "3"}, b"{}"),
        }[kind]
        if kind == "busy" and len(self.seen) > 2:
            status, body = 200, b'{"items": [], "next_cursor": null}'
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the caller has hung up
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def strange() -> Iterator[HttpTarget]:
    """A server that is not Celeriac."""
    Strange.seen.clear()
    with HttpTarget(Strange).serving() as target:
        yield target


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("page", "the answer is not JSON: is this the URL of Celeriac?"),
        ("json", "the answer is not a list of scheduled tasks: is this the URL of Celeriac?"),
        ("elsewhere", "302: is this the URL of Celeriac?"),
        ("large", "the answer is too large"),
        ("rude", "400: \\x1b[2J\\u202eno"),
    ],
)
def test_answer_of_something_else_is_told_in_a_sentence(kind: str, sentence: str, strange: HttpTarget) -> None:
    client = ServiceClient(f"{strange.url}/{kind}", KEY)
    with pytest.raises(ServiceError) as caught:
        list(client.schedules())
    assert str(caught.value) == sentence
    assert len(Strange.seen) == 1  # no redirect is followed: the key goes nowhere else


def test_busy_service_is_asked_again_when_it_says(strange: HttpTarget) -> None:
    pauses: list[float] = []
    assert list(ServiceClient(f"{strange.url}/busy", KEY, sleep=pauses.append).schedules()) == []
    assert pauses == [3.0, 3.0]


def test_service_that_is_not_there_is_named(run: Run) -> None:
    status, _, err = run("export", "--url", "http://127.0.0.1:1")
    assert status == 1
    assert err.startswith("start.py: http://127.0.0.1:1 can't be reached: ")


def test_command_that_is_interrupted_ends_without_a_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        words = [sys.executable, str(ROOT / "start.py"), "export", "--url", url]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


#: A command that is interrupted while it makes an object, as http.client makes its answers.
HALF_MADE = """
import sys, types
import start

class Half:
    def __init__(self):
        raise KeyboardInterrupt
    def __del__(self):
        self.missing

sys.modules["half"] = module = types.ModuleType("half")
module.run = lambda words: Half()
start.COMMANDS = {"half": ("half", "run")}
start.import_for_good = lambda name: None
sys.exit(start.main(["half"]))
"""


def test_what_was_half_made_when_a_command_was_interrupted_is_not_told() -> None:
    done = subprocess.run([sys.executable, "-c", HALF_MADE], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("line", ["apply --diff", "export --format json"])
def test_output_that_nobody_takes_is_named(line: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # else each write fails at once
    paths = [str(folder)] if line.startswith("apply") else []
    words = [sys.executable, str(ROOT / "start.py"), *line.split(), *paths]
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stderr) == (1, "start.py: the output: No space left on device\n")


# --- there and back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_export_is_imported_as_it_was(form: str, run: Run, folder: Path, service: Started, tmp_path: Path) -> None:
    edit(
        folder,
        "tags: [ops]",
        'start_at: "2030-01-01T09:00:00+01:00"\npaused: true\ndata: {a: [1, null, "on"]}\nmethod: POST',
    )
    run("apply", folder)
    exported = run("export", "--format", form)[1]
    file = tmp_path / f"export.{form}"
    file.write_text(exported)
    server: RedisServer = service.redis  # type: ignore[attr-defined]
    with redis.Redis.from_url(server.url) as raw:
        raw.flushall()
    assert run("import_", file)[0] == 0
    assert run("export", "--format", form)[1] == exported


# --- files -------------------------------------------------------------------------------------------


def problems(tmp_path: Path, text: str, name: str = "a.yaml") -> list[str]:
    (tmp_path / name).write_text(text)
    with pytest.raises(Invalid) as caught:
        read_files([tmp_path], {}, NOW_MS)
    return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    told = problems(tmp_path, "key: a\ncolour: red\ncron_expression: 61 * * * *\n---\n- 1\n---\nkey: a/b\n")
    assert "a.yaml: a: colour is not a field" in told
    assert any(problem.startswith("a.yaml: a: cron_expression ") for problem in told)
    assert "a.yaml: document 2: must be an object with the fields of a scheduled task" in told
    assert any(problem.startswith("a.yaml: a/b: key must have 1 to 200") for problem in told)


def test_file_that_cannot_be_read_is_one_of_the_problems(tmp_path: Path) -> None:
    (tmp_path / "0.yaml").symlink_to(tmp_path / "none")
    told = problems(tmp_path, "key: a\ncolour: red\n")
    assert told[0] == "0.yaml: No such file or directory"
    assert "a.yaml: a: colour is not a field" in told


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="none: there is no such file or folder"):
        read_files([tmp_path / "none"], {}, NOW_MS)


def test_hidden_files_are_left_out_and_links_are_followed(tmp_path: Path) -> None:
    """In a volume of a Kubernetes ConfigMap, files are links into a hidden folder, which is a link, too."""
    (tmp_path / "..2026_11_28").mkdir()
    (tmp_path / "..2026_11_28" / "ping.yaml").write_text(PING)
    (tmp_path / "..data").symlink_to("..2026_11_28")
    (tmp_path / "ping.yaml").symlink_to("..data/ping.yaml")
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "ci.yml").write_text("on: push\n")
    (tmp_path / "folder.yaml").mkdir()
    assert [one.key for one in read_files([tmp_path], {}, NOW_MS)] == ["team-ping"]


def test_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{PING}---\n{PING}") == ["a.yaml: team-ping: another document has this key"]


def test_program_may_be_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text("def main():\n    return 1\n")
    (tmp_path / "a.yaml").write_text(
        "key: a\nname: a\nevery_seconds: 60\nfunction_name: main\nfunction_file: report.py\n"
    )
    (declared,) = read_files([tmp_path / "a.yaml"], {}, NOW_MS)
    assert declared.body["function_code"] == "def main():\n    return 1\n"
    assert "function_file" not in declared.body


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.py", "none.py", "."])
def test_program_from_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    told = problems(tmp_path, f"key: a\nname: a\nevery_seconds: 60\nfunction_name: main\nfunction_file: {name}\n")
    assert told[0].startswith("a.yaml: a: function_file ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("2026-01-01", "2026-01-01"),
        ("12:30:00", "12:30:00"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("-7", -7),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ("1e5", "1e5"),
        ("'*/5 * * * *'", "*/5 * * * *"),
    ],
)
def test_yaml_has_no_surprising_types(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}\n") == [{"a": value}]
    assert read_yaml(write_yaml([{"a": value}])) == [{"a": value}]


@pytest.mark.parametrize(
    "value",
    [
        "1.5e3",  # a number for us, and a text for YAML 1.1, which wants a sign after the e
        "1.0E5",
        "-1.25e10",
        12345678901234567890,
        18446744073709551615,
        pytest.param(10**4_299, id="the longest integer"),
        1e17,
        "first\x85line\nsecond",
        "\x85",
        "first\u2028line\nsecond",
        "first\u2029line",
    ],
)
def test_value_is_read_as_it_was_written(value: object) -> None:
    assert read_yaml(write_yaml([{"a": value}])) == [{"a": value}]


@pytest.mark.parametrize("text", ["on", "no", "017", "1_000", "12:30:00", "2026-01-01", "1.5e3"])
def test_text_that_another_reader_would_take_for_something_else_is_quoted(text: str) -> None:
    assert write_yaml([{"a": text}]) == f"a: '{text}'\n"


def test_program_is_written_as_a_block() -> None:
    assert write_yaml([{"a": "def main():\n    return 1\n"}]) == "a: |\n  def main():\n      return 1\n"


_BREAKS_AND_UNPRINTABLE = "\n\r\t\x85\u2028\u2029\ufeff\uffff\U0010ffff\0\x7f"
_ODD = st.sampled_from(_BREAKS_AND_UNPRINTABLE + " \"'\\:#-|>*&!%@`,[]{}?~=<.eE019+_oxé\U0001f600")
_TEXTS = st.one_of(
    st.text(),
    st.text(_ODD),
    st.text(_ODD, min_size=100, max_size=200),  # longer than a line
    st.from_regex(r"[-+]?[0-9._:xeE]+", fullmatch=True),
    st.sampled_from(["on", "no", "true", "null", "~", "", "<<", "=", "---", "...", "- a", "? a", "2026-01-01"]),
)
_NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=5),
    max_leaves=10,
)


@given(_VALUES)
def test_any_json_value_is_read_as_it_was_written(value: object) -> None:
    (found,) = read_yaml(write_yaml([{"a": value}]))
    assert repr(found) == repr({"a": value})  # with types and the sign of zero


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "line 2, column 1: 'a' stands twice"),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases are not permitted"),
        ("a: * * * * *", "put quotes around a text that begins with *"),
        ("1: 2", "a name must be a text"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: !!binary aGk=", "could not determine a constructor"),
        ("[" * 1_000, "nested too deeply"),
        ("a: \x00", "special characters"),
        ("a: [", "line"),
        pytest.param(f"a: 1{'0' * 4_300}", "line 1, column 4: this is not an integer, or has too", id="too long"),
        ("a: !!int b", "line 1, column 4: this is not an integer, or has too many digits"),
        ("a: !!float b", "line 1, column 4: this is not a number, or is too large for one"),
        ("a: !!float ''", "line 1, column 4: this is not a number"),
        ("a: !!float .nan", "line 1, column 4: this is not a number"),
        ("a: 1.0e999", "line 1, column 4: this is not a number, or is too large for one"),
        ("a: !!bool 7", "line 1, column 4: this is neither true nor false"),
        ("<<: {a: 1}\na: 2\n<<: {}", "stands twice"),
    ],
)
def test_hostile_yaml_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_yaml(text)
    assert words in str(caught.value)


def test_bomb_of_aliases_is_refused_at_once() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
    )
    with pytest.raises(BadFile, match="aliases are not permitted"):
        read_yaml(bomb)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "NaN", "[" * 100_000, "{", ""])
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(BadFile):
        read_json(text)


def test_large_file_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "#" * 4_194_305) == ["a.yaml: it has more than 4,194,304 bytes"]


def test_file_with_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="must end in"):
        read_files([Path(__file__)], {}, NOW_MS)
