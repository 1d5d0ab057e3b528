"""`python start.py`: what it starts, what it says, and that it always cleans up."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.clock import system_clock
from app.launch.embedded_redis import EmbeddedServer
from app.messaging.encoder import MessageEncoder
from app.settings import read_settings
from app.store.store import Store
from app.usecases.admission import Admission
from app.usecases.dispatch import Dispatcher
from app.usecases.tasks import TaskService
from tests.servers import HttpTarget
from tests.system import Started, free_port, needs_no_local_redis, needs_proc, run, run_module, wait_until

pytestmark = needs_proc

Start = Callable[..., Started]
CHILDREN = ["redis", "api", "worker for code tasks", "worker for api tasks", "beat"]
KEY = "k" * 32
NO_PORT = "must have a host, and a port from 0 to 65535: redis://host:6379/0"
NO_DATABASE = "must have a number as the database"
#: Its sitecustomize sets the clock of our processes, and not that of Redis.
ON_HOST = Path(__file__).resolve().parent / "chaos" / "on_host"
#: The first fork of start.py is the API.
SLOW_API = """
import os, time
forks = []
os.register_at_fork(before=lambda: forks.append(1), after_in_child=lambda: time.sleep(3 if len(forks) == 1 else 0))
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts start.py in the test's own folder, and cleans up behind it. With is_warm=False, as users do."""
    needs_no_local_redis()
    running: list[Started] = []

    def start(*words: str, **more: Any) -> Started:
        running.append(Started(tmp_path / "var", *words, **more))
        return running[-1]

    yield start
    for started in running:
        started.clean_up()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A Redis that is there already."""
    server = EmbeddedServer(read_settings({"VAR_DIR": str(tmp_path / "redis")}), say=print)
    server.start()
    yield server
    server.stop()


# --- starting ----------------------------------------------------------------------------------------


@pytest.mark.alone
def test_first_line_comes_within_two_seconds_and_the_system_is_ready_within_ten(start: Start) -> None:
    times = []
    for _ in range(3):  # a machine that is busy with something else delays one of them, but seldom all
        started = start(is_warm=False, API_PROCESSES="2")
        started.wait_for("Try it:")
        first_seconds, line = started.lines[0]
        assert re.fullmatch(r"\S+Z INFO celeriac.start Celeriac is starting: .+", line)
        assert started.get("/health/ready") == {"status": "ok"}
        ready_seconds = next(seconds for seconds, line in started.lines if "celeriac.start ready after" in line)
        times.append((first_seconds, ready_seconds))
        if first_seconds < 2 and ready_seconds < 10:
            return
        started.end(signal.SIGTERM)
    pytest.fail(f"seconds until the first line, and until it was ready: {times}")


def test_no_api_task_runs_before_the_api_answers(start: Start, server: EmbeddedServer, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(SLOW_API)
    started = start(REDIS_URL=server.url, PYTHONPATH=str(slow))
    own = {"name": "own", "api_url": f"http://127.0.0.1:{started.port}/health/live"}
    store = Store.at(server.url)
    tasks = TaskService(
        store,
        Dispatcher(MessageEncoder(store.keys), 2.0),
        lambda *_: [],
        Admission(store.admission, 1_000),
        system_clock,
    )
    waiting = [tasks.create(own).id for _ in range(5)]
    wait_until(lambda: all(tasks.get(each).status.finished for each in waiting), 90, "the end of its calls of itself")
    found = [tasks.get(each) for each in waiting]
    store.close()
    assert [(task.status, task.attempt) for task in found] == [("succeeded", 1)] * 5
    started.wait_for("started api(.*\n)+.*started worker for api tasks")


def test_it_runs_in_a_locale_without_utf_8(start: Start) -> None:
    # ASCII stands for any such encoding, as that of zh_CN.GBK.
    started = start(is_warm=False, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    started.wait_for("ready after")
    program = {"name": "数", "function_code": "def f():\n    print('中')\n    return '文'", "function_name": "f"}
    _, task = started.call("POST", "/api/tasks", program, Prefer="wait=15")
    assert (task["status"], task["result"], task["stdout"]) == ("succeeded", "文", "中\n")


@pytest.mark.parametrize("redirection", [">/dev/full 2>&1", "<&- >&- 2>&-"])
def test_it_serves_although_nothing_can_be_printed(start: Start, tmp_path: Path, redirection: str) -> None:
    started = start(within=("sh", "-c", f'exec "$@" {redirection}', "sh"), PYTHONUNBUFFERED="")
    started.wait_until_ready()
    program = {"name": "n", "function_code": "def f():\n    return 7", "function_name": "f"}
    _, task = started.call("POST", "/api/tasks", program, Prefer="wait=15")
    assert (task["status"], task["result"]) == ("succeeded", 7)
    assert (tmp_path / "var" / "lock").read_text() == str(started.process.pid), "no line was printed into it"


def test_each_process_says_that_its_clock_is_not_that_of_redis(start: Start) -> None:
    started = start(PYTHONPATH=str(ON_HOST), CLOCK_AHEAD_SECONDS="3600")
    wait_until(lambda: started.output.count("action=clock_differs") >= 4, 60, "API, workers and beat say so")
    started.wait_for(r"the clock of this machine is \d+\.\d s ahead of that of Redis")


# --- what is in the way ------------------------------------------------------------------------------


def test_folder_of_something_else_is_not_taken_over(tmp_path: Path) -> None:
    needs_no_local_redis()
    tmp_path.chmod(0o755)
    (tmp_path / "letter.txt").write_text("dear reader")
    refused = run("--port", str(free_port()), is_warm=False, VAR_DIR=str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == f"start.py: {tmp_path} is not a folder of Celeriac's own: set VAR_DIR to a new one\n"
    assert tmp_path.stat().st_mode & 0o777 == 0o755


# --- staying up --------------------------------------------------------------------------------------


def test_child_that_is_killed_is_started_again(start: Start) -> None:
    """With logs in JSON, of which every line of every process is JSON, also beside a kill."""
    started = start(LOG_FORMAT="json")
    started.wait_for("Try it:")
    for name in CHILDREN:
        os.kill(started.pid_of(name), signal.SIGKILL)
        started.wait_for(rf"{name} was killed by SIGKILL; restarting it in 0.5 s")
        pid = int(started.wait_for(rf"{name} restarted \(pid (\d+)\)")[1])
        os.kill(pid, 0)
    started.wait_until_ready()
    assert started.end(signal.SIGTERM) == 0
    lines = [json.loads(line) for _, line in started.lines]
    ours = [(line["level"], line["message"]) for line in lines if line["logger"] == "celeriac.start"]
    assert ours[-1] == ("INFO", "stopped")
    assert any(message.startswith("ready after") and "Try it:" in message for _, message in ours)
    assert ("WARNING", "beat was killed by SIGKILL; restarting it in 0.5 s") in ours


def test_each_process_of_the_api_that_is_killed_is_replaced_and_takes_its_children_along(start: Start) -> None:
    started = start("api")
    inner = int(started.wait_for(r"Spawning worker-1 with PID: (\d+)")[1])
    started.wait_until_ready(path="/health/live")
    os.kill(inner, signal.SIGKILL)
    started.wait_for(r"Respawning worker-1")
    started.wait_until_ready(path="/health/live")
    started.remember_processes()
    os.kill(int(started.wait_for(r"main PID: (\d+)")[1]), signal.SIGKILL)
    started.wait_for(r"api was killed by SIGKILL")
    started.wait_for(r"api restarted")
    started.wait_until_ready(path="/health/live")
    assert started.end(signal.SIGTERM) == 0


# --- stopping ----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("nohup") is None, reason="nohup is not installed")
def test_under_nohup_it_outlives_its_terminal(start: Start) -> None:
    started = start("beat", within=["nohup"])
    started.wait_for("beat: Starting")
    ignored = re.search(r"^SigIgn:\s+(\w+)$", Path(f"/proc/{started.process.pid}/status").read_text(), re.MULTILINE)
    assert ignored is not None
    assert int(ignored[1], 16) & 1 << signal.SIGHUP - 1
    os.killpg(started.process.pid, signal.SIGHUP)  # as the terminal does, to all of them
    assert started.process.poll() is None
    assert started.end(signal.SIGTERM) == 0
    assert "restarting" not in started.output


def test_signal_before_it_is_ready_ends_everything(start: Start) -> None:
    started = start(is_warm=False)
    started.wait_for(r"started beat")
    assert started.end(signal.SIGINT) == 0


def run_endless_program(started: Started) -> None:
    """It waits, as a busy one would take a core from other tests for as long as the stop lasts."""
    code = "import time\ndef main():\n    while True:\n        time.sleep(0.1)"
    spec = {"name": "endless", "function_code": code, "function_name": "main", "timeout": 600}
    task = started.post("/api/tasks", spec)
    wait_until(lambda: started.get(f"/api/tasks/{task['id']}")["status"] == "running", 60, "the task runs")


def end_while_busy(started: Started, number: signal.Signals) -> None:
    """End a system in order, with a signal, while it runs a program and has read half a request."""
    run_endless_program(started)
    with socket.create_connection(("127.0.0.1", started.port)) as connection:
        connection.sendall(b"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
        assert started.end(number) == 0
    assert started.lines[-1][1].endswith(" celeriac.start stopped")
    assert "Traceback" not in started.output


def test_start_after_a_kill_finds_its_folder_free_and_no_process_of_the_first(start: Start) -> None:
    """And the second works, and ends with its terminal."""
    first = start()
    first.wait_for("Try it:")
    run_endless_program(first)
    first.remember_processes()
    first.process.kill()
    second = start()  # a role alone would use the first one's Redis as long as that answers
    second.wait_for("started redis")
    second.wait_for("started beat")
    wait_until(lambda: not first.left_behind(), 30, "the end of all that the first has started")
    assert "Traceback" not in first.output
    second.wait_for("Try it:")
    end_while_busy(second, signal.SIGHUP)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_everything_and_neither_a_program_nor_half_a_request_holds_it_up(
    number: signal.Signals, start: Start
) -> None:
    started = start()
    started.wait_for("Try it:")
    end_while_busy(started, number)


@pytest.mark.parametrize(
    ("role", "up"), [("api", "Started worker-1"), ("worker", "celery@.* ready"), ("beat", "beat: Starting")]
)
def test_killed_role_leaves_no_process_behind(role: str, up: str, start: Start, server: EmbeddedServer) -> None:
    started = start(role, REDIS_URL=server.url)
    started.wait_for(up)
    assert started.end(signal.SIGKILL) == -signal.SIGKILL


# --- one role alone ----------------------------------------------------------------------------------


def test_roles_started_one_by_one_find_the_redis_of_the_first(start: Start) -> None:
    first = start("api")  # of which, as of beat, another test here starts a cold one
    first.wait_for("started redis")
    worker, beat = start("worker", is_warm=False), start("beat")
    for other in (worker, beat):
        assert other.wait_for(r"Redis: unix://\S+ \(embedded, in ")
    first.wait_until_ready()
    beat.wait_for("beat: Starting")
    worker.wait_for("celery@.* ready")
    for started in (beat, worker, first):
        assert started.end(signal.SIGTERM) == 0


def test_roles_started_at_once_share_one_redis(start: Start) -> None:
    roles = [start(role) for role in ("worker", "api", "beat")]
    for started in roles:
        started.wait_for(r"Redis: unix://")
    assert sum("started redis" in started.output for started in roles) == 1


def test_a_signal_ends_a_role_that_waits_for_the_redis_of_another(start: Start, tmp_path: Path) -> None:
    other = EmbeddedServer(read_settings({"VAR_DIR": str(tmp_path / "var")}), say=print)
    other.lock()  # as of one that starts its server at this moment
    try:
        started = start("beat")
        started.wait_for("no Redis found")
        assert started.end(signal.SIGTERM) == 1
    finally:
        other.unlock()


# --- the command line --------------------------------------------------------------------------------


def test_help_explains_roles_and_options() -> None:
    answer = run("--help", is_warm=False)
    assert answer.returncode == 0
    for word in ("all ", "api ", "worker ", "beat ", "keys ", "--host", "--port", "API_KEYS", "REDIS_URL"):
        assert word in answer.stdout


@pytest.mark.parametrize("words", [["bogus"], ["--port", "0"], ["--port", "65536"], ["--port", "x"]])
def test_wrong_command_line_is_refused(words: list[str]) -> None:
    answer = run(*words)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert words[-1] in answer.stderr


NO_KEY = (
    "start.py: HOST is 0.0.0.0 and there is no key: to serve other machines, create one with "
    "`start.py keys create NAME --scope write`, or set API_KEYS\n"
)


@pytest.mark.parametrize("role", ["all", "api"])
def test_other_host_without_a_key_is_refused(role: str, server: EmbeddedServer) -> None:
    answer = run(role, "--host", "0.0.0.0", REDIS_URL=server.url, PORT=str(free_port()))
    assert answer.returncode == 2
    assert answer.stderr.endswith(NO_KEY)
    assert "started api" not in answer.stdout


def test_other_host_without_a_key_is_refused_with_the_embedded_redis_too(tmp_path: Path) -> None:
    needs_no_local_redis()
    answer = run("--host", "0.0.0.0", VAR_DIR=str(tmp_path / "var"), PORT=str(free_port()))
    assert answer.returncode == 2
    assert answer.stderr.endswith(NO_KEY)


def test_other_host_without_a_key_is_refused_under_another_server_too(server: EmbeddedServer) -> None:
    answer = run_module("app.wsgi", HOST="0.0.0.0", REDIS_URL=server.url)
    assert answer.returncode == 1
    assert answer.stderr.endswith(NO_KEY.replace("start.py:", "the API can't start:", 1))


def test_a_beat_serves_nobody_and_needs_no_key(server: EmbeddedServer, start: Start) -> None:
    started = start("beat", HOST="0.0.0.0", REDIS_URL=server.url)
    store = Store.at(server.url, max_connections=1)
    wait_until(store.liveness.last_beat, 30, "a tick of beat")
    store.close()
    assert started.end(signal.SIGTERM) == 0, started.output


def test_a_stored_key_lets_other_machines_in_and_a_revoked_one_keeps_them_out(start: Start, tmp_path: Path) -> None:
    var_dir = str(tmp_path / "var")
    key = run("keys", "create", "ci", "--scope", "read", VAR_DIR=var_dir).stdout.strip()
    started = start("api", "--host", "0.0.0.0")
    started.wait_until_ready(path="/health/live")
    assert started.call("GET", "/api/tasks")[0] == 401
    assert started.call("GET", "/api/tasks", **{"X-API-Key": key})[0] == 200
    assert key not in started.output
    assert run("keys", "revoke", "ci", VAR_DIR=var_dir).returncode == 0
    assert started.call("GET", "/api/tasks", **{"X-API-Key": key})[0] == 401
    assert started.call("GET", "/api/tasks")[0] == 401, "the last key is gone, and the service stays shut"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        ("PORT", "0", "PORT must be between 1 and 65535"),
        ("PORT", "abc", "PORT must be a whole number"),
        ("SHUTDOWN_GRACE", "soon", "SHUTDOWN_GRACE must be a number"),
        (
            "REDIS_URL",
            "http://:secret@x",
            "REDIS_URL must begin with redis://, rediss://, unix://, sentinel://, sentinels://",
        ),
        ("REDIS_URL", "redis://localhost:secret/0", f"REDIS_URL {NO_PORT}"),
        ("REDIS_URL", "redis://localhost:65536", f"REDIS_URL {NO_PORT}"),
        ("REDIS_URL", "rediss://[::1/0", f"REDIS_URL {NO_PORT}"),
        ("REDIS_URL", "redis://localhost/zero", f"REDIS_URL {NO_DATABASE}: redis://host:6379/0"),
        ("REDIS_URL", "redis://localhost?db=", f"REDIS_URL {NO_DATABASE}: redis://host:6379/0"),
        ("REDIS_URL", "unix:///run/redis.sock?db=-1", f"REDIS_URL {NO_DATABASE}: ?db=0"),
        ("HTTP_CA_BUNDLE", "/none.pem", "HTTP_CA_BUNDLE /none.pem can't be read: No such file or directory"),
        ("HTTP_CA_BUNDLE", __file__, f"HTTP_CA_BUNDLE {__file__} is not a PEM file with certificates"),
        ("API_KEYS", "me:admin:short", "API_KEYS entry 1 (me): the key must have at least 32 characters"),
    ],
)
def test_bad_setting_is_one_sentence(name: str, value: str, message: str) -> None:
    answer = run(**{name: value})
    assert answer.returncode == 2
    assert answer.stderr == f"start.py: {message}\n"
    assert answer.stdout == ""


def test_a_path_in_a_setting_counts_from_the_folder_of_the_caller(start: Start, tmp_path: Path) -> None:
    (tmp_path / "ops.toml").write_text('[ops]\nkind = "webhook"\nurl = "https://example.com/"\n')
    started = start("api", within=("env", "-C", str(tmp_path)), CHANNELS_FILE="ops.toml")
    started.wait_until_ready(path="/health/live")
    assert [channel["name"] for channel in started.get("/api/channels")["items"]] == ["ops"]


@pytest.mark.parametrize("host", ["host.invalid", "192.0.2.1"])
def test_host_that_is_not_this_machine_is_not_told_as_a_port_in_use(host: str, tmp_path: Path) -> None:
    answer = run("--host", host, "--port", str(free_port()), VAR_DIR=str(tmp_path), API_KEYS=f"me:admin:{KEY}")
    assert answer.returncode == 1
    assert answer.stderr.endswith("): set HOST to an address of this machine\n")


def test_address_that_is_no_redis_is_said_in_a_sentence() -> None:
    with HttpTarget(http.server.BaseHTTPRequestHandler).serving() as target:
        answer = run("keys", "list", REDIS_URL=target.url.replace("http:", "redis:"))
    assert answer.returncode == 1
    assert "start.py: Redis can't be reached (not a Redis: " in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("role", ["all", "api", "worker", "beat"])
def test_unknown_option_of_redis_is_one_sentence_and_a_bad_setting(role: str) -> None:
    answer = run(role, REDIS_URL="redis://localhost:1/0?dial_timeout=5s", PORT=str(free_port()))
    assert answer.returncode == 2, "systemd does not start it again"
    assert "start.py: REDIS_URL can't be used: an option in its query is not known: 'dial_timeout'" in answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout


def test_unreachable_redis_is_said_and_waited_for(start: Start, tmp_path: Path) -> None:
    started = start(REDIS_URL=f"unix://{tmp_path}/none.sock")
    started.wait_for(r"WARNING celeriac.start Redis at unix://\S+ can't be asked yet \(.+\); starting all the same")
    started.wait_for(r"started beat")
    assert started.end(signal.SIGTERM) == 0


def test_other_host_with_a_key_is_served_and_the_key_is_not_printed(start: Start) -> None:
    started = start("--host", "0.0.0.0", API_KEYS=f"me:admin:{KEY}")
    assert started.wait_for(r"Try it:\n\s+curl .*Bearer \$CELERIAC_KEY")
    assert started.call("GET", "/api/tasks")[0] == 401
    assert KEY not in started.output
