"""A fork of start.py is on its own, as a new process would be, and does what the command would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from app.launch import fork
from tests.servers import ROOT
from tests.system import needs_proc

pytestmark = [needs_proc, pytest.mark.skipif(not fork.is_possible(), reason="not on Linux")]

#: Has files open, and handles and ignores signals, as start.py may; then forks, and says what became of that.
PARENT = """
import json, os, random, signal, subprocess, sys, time
from pathlib import Path
from app.launch.fork import Fork

own_pid = os.getpid()

def told():
    print(json.dumps({
        "files": sorted(map(int, os.listdir("/proc/self/fd"))), "stdin": os.readlink("/proc/self/fd/0"),
        "cwd": os.getcwd(), "env": dict(os.environ), "session": os.getsid(0) == os.getpid(),
        "random": random.random(), "title": Path("/proc/self/cmdline").read_text().rstrip(chr(0)),
        "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "sigterm": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        "sighup": signal.getsignal(signal.SIGHUP) == signal.SIG_IGN,
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    }), flush=True)

def sleep():
    time.sleep(60)

def fail():
    raise ValueError("no")

def is_over(process):
    try:
        return process.wait(0.01) is not None
    except subprocess.TimeoutExpired:
        return False

held = [open(os.devnull) for _ in range(3)]
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: print("the parent's handler", flush=True))
signal.signal(signal.SIGHUP, signal.SIG_IGN)
try:
    action = sys.argv[1]
    if action == "two":
        statuses = [Fork(f"celeriac {n}", told, {"OWN": str(n)}, Path("/usr")).wait(30) for n in (1, 2)]
    elif action == "signal":  # at once: it has hardly begun
        process = Fork("celeriac", sleep, {}, Path("/"))
        process.terminate()
        statuses = [process.wait(30)]
    elif action == "wait":
        process = Fork("celeriac", sleep, {}, Path("/"))
        statuses = [process.poll(), is_over(process)]
        process.terminate()
        process.wait(30)
    else:
        call = {"none": lambda: None, "7": lambda: 7, "sentence": lambda: "why not", "exception": fail}[action]
        statuses = [Fork("celeriac", call, {}, Path("/")).wait(30)]
    print(json.dumps(statuses), flush=True)
finally:
    print("the end of", "the parent" if os.getpid() == own_pid else "a fork")
"""


def run(action: str) -> subprocess.CompletedProcess[str]:
    """Run PARENT, which has no threads, unlike this process. Newer Pythons warn of a fork where there are some."""
    command = (sys.executable, "-W", "error::DeprecationWarning", "-c", PARENT, action)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)


@pytest.fixture(scope="module")
def two() -> list[dict[str, Any]]:
    """What two forks of a process have told."""
    first, second, statuses, end = run("two").stdout.splitlines()
    assert (statuses, end) == ("[0, 0]", "the end of the parent")  # and of no fork
    return [json.loads(first), json.loads(second)]


def test_it_has_a_session_a_folder_and_an_environment_of_its_own(two: list[dict[str, Any]]) -> None:
    for number, told in enumerate(two, 1):
        assert told["session"]
        assert told["cwd"] == "/usr"
        assert told["env"] == {"OWN": str(number)}


def test_it_has_none_of_the_files_that_were_open(two: list[dict[str, Any]]) -> None:
    for told in two:
        assert told["files"] == [0, 1, 2, 3]  # the last is that of the listing
        assert told["stdin"] == os.devnull


def test_it_handles_signals_as_a_new_process_does(two: list[dict[str, Any]]) -> None:
    for told in two:
        assert (told["sigint"], told["sigterm"], told["blocked"]) == (True, True, [])
        assert told["sighup"]  # ignored, as under nohup


def test_two_do_not_draw_the_same_random_numbers(two: list[dict[str, Any]]) -> None:
    assert two[0]["random"] != two[1]["random"]


def test_its_name_is_what_ps_shows(two: list[dict[str, Any]]) -> None:
    assert [told["title"] for told in two] == ["celeriac 1", "celeriac 2"]


@pytest.mark.parametrize(
    ("action", "status", "said"),
    [("none", 0, ""), ("7", 7, ""), ("sentence", 1, "why not\n"), ("exception", 1, "ValueError: no\n")],
)
def test_what_the_function_returns_or_raises_is_its_status(action: str, status: int, said: str) -> None:
    done = run(action)
    assert done.stdout == f"[{status}]\nthe end of the parent\n"
    assert said in done.stderr


def test_a_signal_that_comes_at_once_is_not_lost_and_not_the_parents() -> None:
    assert run("signal").stdout == f"[{-signal.SIGTERM}]\nthe end of the parent\n"


def test_waiting_for_one_that_goes_on_ends_in_time() -> None:
    assert run("wait").stdout == "[null, false]\nthe end of the parent\n"


def test_a_long_name_is_cut_where_the_command_ended() -> None:
    source = (
        "from pathlib import Path; from app.launch import fork\n"
        "before = len(Path('/proc/self/cmdline').read_bytes())\n"
        "environ = Path('/proc/self/environ').read_bytes()\n"
        "fork._set_title('x' * 10_000)\n"
        "assert Path('/proc/self/cmdline').read_bytes() == b'x' * (before - 1) + bytes(1)\n"
        "assert Path('/proc/self/environ').read_bytes() == environ\n"
    )
    subprocess.run((sys.executable, "-c", source), cwd=ROOT, check=True, timeout=60)
