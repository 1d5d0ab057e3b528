"""What runs in a fork of a warm process is on its own, as a new process would be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.servers import ROOT, CeleryProcess, wait_until
from tests.warm import WarmProcess

pytestmark = pytest.mark.skipif(not warm.is_possible(), reason="not on Linux, or beside coverage")

TELL = """
import json, os, random, signal, sys
print(json.dumps({
    "argv": sys.argv[1:], "name": __name__, "cwd": os.getcwd(), "path": sys.path[:3], "own": os.environ.get("OWN"),
    "session": os.getsid(0) == os.getpid(), "files": len(os.listdir("/proc/self/fd")), "random": random.random(),
    "stdin": os.readlink("/proc/self/fd/0"), "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "ours": sorted(name for name in sys.modules if name.partition(".")[0] in ("app", "tasks", "celery_app", "tests")),
}))
sys.exit(7)
"""
#: Prints the file of each module that reads a variable of the environment while the preloaded ones are imported.
TELL_READERS = """
import importlib, os, sys
read = os._Environ.__getitem__
def tell(self, name):
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(("<frozen os", "<frozen _collections", os.__file__)):
        frame = frame.f_back
    print(frame.f_code.co_filename)
    return read(self, name)
os._Environ.__getitem__ = tell
from start import NEEDED_BY_API
from tasks.preload import MODULES
from tests.fork_server import COMMAND
for module in (COMMAND, *MODULES, *NEEDED_BY_API):
    importlib.import_module(module)
"""
END = """
import atexit, sys, threading
def last():
    threading.main_thread().join()
    print("thread")
atexit.register(print, "at exit")
threading.Thread(target=last).start()
print("main")
"""
SLEEP = "import time\nprint('asleep', flush=True)\ntime.sleep(60)\n"


def run(folder: Path, source: str, *words: str, **settings: str) -> WarmProcess:
    """Run a module of this source, with its output in `folder`/log."""
    (folder / "told.py").write_text(source)
    env = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", **settings}
    with (folder / "log").open("wb") as output:
        return WarmProcess(["told", *words], output.fileno(), folder, env)


def test_it_has_all_that_a_new_process_has(tmp_path: Path) -> None:
    assert run(tmp_path, TELL, "one", "--two", OWN="yes").wait(30) == 7
    told = json.loads((tmp_path / "log").read_text())
    assert told["argv"] == ["one", "--two"]
    assert told["name"] == "__main__"
    assert (told["cwd"], told["path"]) == (str(tmp_path), [str(tmp_path), str(tmp_path), str(ROOT)])
    assert (told["own"], told["session"], told["sigint"]) == ("yes", True, True)
    assert told["stdin"] == os.devnull
    assert told["files"] == 4  # three, and the one that lists them


def test_modules_that_are_set_up_for_one_process_are_not_there_before(tmp_path: Path) -> None:
    run(tmp_path, TELL).wait(30)
    ours = json.loads((tmp_path / "log").read_text())["ours"]
    assert "tasks.runtime" in ours
    assert not {"celery_app", "tasks.execute"} & {*ours}


def test_none_of_our_modules_that_are_there_before_reads_the_environment() -> None:
    """Neither here nor in start.py, whose forks have settings that it has decided on since."""
    told = subprocess.run([sys.executable, "-c", TELL_READERS], cwd=ROOT, capture_output=True, text=True, check=True)
    readers = {*told.stdout.splitlines()}
    assert any("kombu" in reader for reader in readers)
    assert [
        reader for reader in readers if reader.startswith((f"{ROOT}/app/", f"{ROOT}/tasks/", f"{ROOT}/start"))
    ] == []


def test_the_status_is_kept_of_one_that_has_ended_before_its_start_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = socket.send_fds

    def send_and_stand_still(*request: Any) -> None:
        send(*request)
        pid = tmp_path / "pid"
        wait_until(lambda: pid.exists() and not Path(f"/proc/{pid.read_text()}").exists(), 30, "its end")

    assert run(tmp_path, "").wait(30) == 0  # there is a server now
    monkeypatch.setattr(socket, "send_fds", send_and_stand_still)
    source = f"import os, pathlib\npathlib.Path({str(tmp_path)!r}, 'new').write_text(str(os.getpid()))\n"
    assert run(tmp_path, f"{source}os.rename('new', 'pid')\nraise SystemExit(7)").wait(30) == 7


def test_two_do_not_draw_the_same_random_numbers(tmp_path: Path) -> None:
    drawn = []
    for _ in range(2):
        run(tmp_path, TELL).wait(30)
        drawn.append(json.loads((tmp_path / "log").read_text())["random"])
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(("end", "told"), [("raise ValueError('no')", "ValueError: no"), ("exit('no')", "no\n")])
def test_what_has_gone_wrong_is_told_and_is_status_1(tmp_path: Path, end: str, told: str) -> None:
    assert run(tmp_path, end).wait(30) == 1
    assert told in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("end", "status"), [("", 0), ("sys.exit()", 0), ("sys.exit(3)", 3)])
def test_it_waits_for_its_threads_and_leaves_nothing_unsaid(tmp_path: Path, end: str, status: int) -> None:
    assert run(tmp_path, END + end).wait(30) == status
    assert (tmp_path / "log").read_text() == "main\nthread\nat exit\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_that_ends_it_is_its_status(tmp_path: Path, number: signal.Signals) -> None:
    process = run(tmp_path, SLEEP)
    wait_until(lambda: "asleep" in (tmp_path / "log").read_text(), 30, "its first line")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(number)
    assert process.wait(30) == -number
    assert process.poll() == process.returncode == -number
    process.send_signal(number)  # to nobody


@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize(("role", "line"), [("worker", "worker ready"), ("beat", "beat: Starting")])
def test_workers_and_beats_run_either_way(tmp_path: Path, redis_url: str, role: str, line: str, is_warm: bool) -> None:
    process = CeleryProcess(tmp_path, redis_url, role, "--loglevel=info", is_warm=is_warm)
    assert isinstance(process.process, WarmProcess) == is_warm
    process.wait_for(line)
    process.signal(signal.SIGTERM)
    assert process.process.wait(30) == 0, process.output
    wait_until(process.left_nothing, 10, "the end of its group")
