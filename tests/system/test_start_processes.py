"""Children are started again with a growing pause, stopped as a group, and end with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.launch.child import PARENT_PID, main, program_command
from app.launch.processes import (
    EXIT_USELESS_HERE,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    ROOT,
    STEADY_SECONDS,
    Child,
    Command,
    Supervisor,
    describe_exit,
    next_pause_seconds,
)
from tests.lateness import Lateness
from tests.leftovers import is_running
from tests.servers import kill_each
from tests.system import needs_proc, wait_until

# --- the pause: pure -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "alive", "expected"),
    [
        (0, 0, 0.5),  # the first death
        (0.5, 1, 1),
        (1, 59.9, 2),
        (16, 0, 30),  # not 32
        (30, 0, 30),
        (30, 60, 0.5),  # it was steady for a minute
    ],
)
def test_pause_doubles_until_its_limit_and_starts_anew_after_a_minute(
    last: float, alive: float, expected: float
) -> None:
    assert next_pause_seconds(last, alive) == expected


@given(st.lists(st.floats(0, 1_000), max_size=50))
def test_pause_stays_within_its_bounds(lives_seconds: list[float]) -> None:
    pause = 0.0
    for alive in lives_seconds:
        longer = next_pause_seconds(pause, alive)
        assert FIRST_PAUSE_SECONDS <= longer <= LONGEST_PAUSE_SECONDS
        assert longer >= pause or alive >= STEADY_SECONDS
        pause = longer


# --- the supervisor, on a virtual clock ----------------------------------------------------------------


class FakeChild:
    """A child that dies when it is told to."""

    def __init__(self, pid: int, *, obeys: bool = True) -> None:
        self.pid = pid
        self.status: int | None = None
        self.log: list[str] = []
        self._obeys = obeys

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.log.append("terminate")
        self.status = 0 if self._obeys else None

    def wait(self, timeout_seconds: float) -> bool:
        self.log.append(f"wait {timeout_seconds:g}")
        return self.status is not None

    def kill_group(self) -> None:
        self.log.append("kill_group")


class World:
    """A clock that is moved by hand, and children that are only written down."""

    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.children: list[FakeChild] = []
        self.obeys = self.can_spawn = True
        self.supervisor = Supervisor(self.said.append, clock=lambda: self.now, spawn=self.spawn)

    def spawn(self, command: Command) -> Child:
        if not self.can_spawn:
            raise OSError("no memory")
        self.children.append(FakeChild(pid=1_000 + len(self.children), obeys=self.obeys))
        return cast(Child, self.children[-1])

    def die(self, status: int) -> None:
        self.children[-1].status = status
        self.supervisor.tick()

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds
        self.supervisor.tick()


BEAT = Command("beat", ("beat",), {})


@pytest.fixture
def world() -> World:
    """A supervisor with one child."""
    world = World()
    world.supervisor.start(BEAT)
    return world


def test_child_that_lives_is_left_alone(world: World) -> None:
    world.pass_seconds(1_000)
    assert len(world.children) == 1
    assert world.said == []


def test_dead_child_is_started_again_after_the_pause_and_not_before(world: World) -> None:
    world.die(-9)
    world.pass_seconds(0.49)
    assert len(world.children) == 1
    world.pass_seconds(0.01)
    assert len(world.children) == 2
    assert world.said == [
        "beat was killed by SIGKILL; restarting it in 0.5 s",
        "beat restarted (pid 1001)",
    ]


def test_what_a_dead_child_left_is_killed_before_it_is_started_again(world: World) -> None:
    world.die(1)
    assert world.children[0].log == ["kill_group"]


def test_child_that_dies_again_and_again_waits_longer_each_time(world: World) -> None:
    for pause in (0.5, 1, 2, 4, 8, 16, 30, 30):
        world.die(1)
        assert world.said[-1] == f"beat ended with status 1; restarting it in {pause:g} s"
        world.pass_seconds(pause)
    world.pass_seconds(60)
    world.die(1)
    assert world.said[-1].endswith("in 0.5 s")


def test_child_that_is_useless_here_is_not_started_again(world: World) -> None:
    world.die(EXIT_USELESS_HERE)
    world.pass_seconds(1_000)
    assert len(world.children) == 1
    assert world.said == ["beat cannot run here, as it says above; the rest runs without it"]


def test_start_that_fails_is_tried_again(world: World) -> None:
    world.die(1)
    world.can_spawn = False
    world.pass_seconds(0.5)
    assert world.said[-1] == "beat could not be started: no memory"
    world.can_spawn = True
    world.pass_seconds(1)
    assert world.said[-1] == "beat restarted (pid 1001)"


def test_stop_asks_all_before_it_waits_for_one(world: World) -> None:
    world.supervisor.start(BEAT)
    world.supervisor.stop(grace_seconds=7)
    assert [child.log for child in world.children] == [["terminate", "wait 7", "kill_group"]] * 2
    assert world.said == []


def test_stop_kills_who_does_not_obey_and_says_so() -> None:
    world = World()
    world.obeys = False
    world.supervisor.start(BEAT)
    world.supervisor.stop(grace_seconds=7)
    assert world.children[0].log[-1] == "kill_group"
    assert world.said == ["beat did not stop within 7 s; killing it"]


def test_nothing_is_started_again_after_the_stop(world: World) -> None:
    world.die(1)
    world.supervisor.stop()
    world.pass_seconds(60)
    assert len(world.children) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "ended with status 0"), (-15, "was killed by SIGTERM"), (-40, "was killed by signal 40")],
)
def test_exit_status_is_described_in_words(status: int, words: str) -> None:
    assert describe_exit(status) == words


# --- real processes ------------------------------------------------------------------------------------

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
# Starts a child through the module's command line, as Child does, says its pid and waits to be killed.
PARENT = """
import os, sys, time
from app.launch.processes import Child, Command
child = Child(Command("test", tuple(sys.argv[1:]), dict(os.environ)))
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def parent_and_child(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A parent process and the pid of the child that it has started by the command in `request.param`."""
    command = (sys.executable, "-c", PARENT, *request.param)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            said, up = sorted(parent.stdout.readline() for _ in range(2))  # child and parent speak in any order
            pid = int(said)
            assert up == "up\n"
            yield parent, pid
        finally:
            parent.kill()
        if is_running(pid):
            os.killpg(pid, signal.SIGKILL)


GUARD = (
    sys.executable,
    "-c",
    "import os, sys; from app.launch.child import guard; sys.exit(guard(sys.argv[1:], os.getppid()))",
)


@needs_proc
@pytest.mark.parametrize(
    "parent_and_child",
    [
        program_command(sys.executable, "-c", SLEEPER),
        (*GUARD, sys.executable, "-c", SLEEPER),  # what systems without the kernel's help use
        (sys.executable, "-c", f"from app.launch.child import die_with_parent; die_with_parent(); {SLEEPER}"),
    ],
    indirect=True,
    ids=["program", "guard", "die_with_parent"],
)
def test_child_ends_with_a_parent_that_is_killed(
    parent_and_child: tuple[subprocess.Popen[str], int],
) -> None:
    parent, pid = parent_and_child
    assert is_running(pid)
    parent.kill()
    parent.wait(5)
    wait_until(lambda: not is_running(pid), 15, "the child's end")


@needs_proc
@pytest.mark.parametrize(
    "parent_and_child",
    [
        (
            sys.executable,
            "-c",
            "import app.launch.child as p; p.ORPHAN_GRACE_SECONDS = 0.2; p.die_with_parent(); " + DEAF,
        )
    ],
    indirect=True,
)
def test_child_that_ignores_sigterm_is_killed_after_the_grace(
    parent_and_child: tuple[subprocess.Popen[str], int],
) -> None:
    parent, pid = parent_and_child
    parent.kill()
    parent.wait(5)
    wait_until(lambda: not is_running(pid), 15, "the child's end")


@needs_proc
def test_guard_passes_sigterm_on_and_returns_the_status() -> None:
    program = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True)"
    command = (*GUARD, sys.executable, "-c", program + "; time.sleep(600)")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(60) == 7


#: Starts the program, says its pid, and stands still for a moment.
SLOW_GUARD = """
import os, subprocess, sys, time
from app.launch import child
class Slow(subprocess.Popen):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        print(self.pid, flush=True)
        time.sleep(1)
subprocess.Popen = Slow
sys.exit(child.guard(sys.argv[1:], os.getppid()))
"""


@needs_proc
def test_guard_that_is_told_to_end_while_it_starts_the_program_leaves_none() -> None:
    silent = "import time; time.sleep(600)"  # or it might speak before its pid is said
    command = (sys.executable, "-c", SLOW_GUARD, sys.executable, "-c", silent)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.terminate()
        try:
            process.wait(60)
            wait_until(lambda: not is_running(pid), 15, "the program's end")
        finally:
            kill_each([pid])


def test_command_by_hand_does_not_watch_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "from app.launch.child import die_with_parent; import threading; die_with_parent(); "
    env = {key: value for key, value in os.environ.items() if key != PARENT_PID}
    command = (sys.executable, "-c", script + "print(threading.active_count())")
    answer = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert answer.stdout == "1\n"


def test_program_whose_parent_is_gone_is_not_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env = {**os.environ, PARENT_PID: "1"}  # not who starts it
    command = program_command(sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert subprocess.run(command, cwd=ROOT, env=env, check=False, timeout=60).returncode == 1
    assert not (tmp_path / "ran").exists()


def test_module_is_run_with_its_own_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["module", "json.tool", "--help"])
    assert ended.value.code == 0
    assert "usage" in capsys.readouterr().out


@needs_proc
def test_kill_group_takes_grandchildren_whose_parent_has_gone() -> None:
    program = (
        "import subprocess, sys; "
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)"
    )
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd) as reader:
        script = f"import os; os.dup2({write_fd}, 1); {program}"
        child = Child(Command("test", (sys.executable, "-c", script), dict(os.environ), fds=(write_fd,)))
        os.close(write_fd)
        grandchild = int(reader.readline())
    assert child.wait(10)
    assert is_running(grandchild)
    child.kill_group()
    wait_until(lambda: not is_running(grandchild), 15, "the grandchild's end")


def test_stop_of_deaf_children_takes_one_grace_for_all(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    ready = [tmp_path / name for name in ("a", "b")]
    for path in ready:
        script = f"import pathlib; {DEAF}".replace("print('up', flush=True)", f"pathlib.Path({str(path)!r}).touch()")
        supervisor.start(Command(path.name, (sys.executable, "-c", script), dict(os.environ)))
    wait_until(lambda: all(path.exists() for path in ready), 60, "both children are up")
    with Lateness() as late:
        supervisor.stop(grace_seconds=0.3)
    assert late.taken_seconds < 3
    assert said == ["a did not stop within 0.3 s; killing it", "b did not stop within 0.3 s; killing it"]
