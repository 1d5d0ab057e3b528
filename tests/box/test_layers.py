"""With the language layer off: the operating system alone stops what leads out, one attempt at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import LayersMissing, Limits, Program, Sandbox, SandboxError
from sandbox.link import Link
from tests.box import layer_table
from tests.box.layer_attempts import ATTEMPTS, LAYERS, LAYERS_OF_ROOT
from tests.box.programs import Runner
from tests.leftovers import is_running
from tests.servers import family_pids, kill_each, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")

NAMES = {"process", *LAYERS, *LAYERS_OF_ROOT, "no_new_privs"}


def layers_on(box: Sandbox) -> set[str]:
    return {name for name, state in box.layers.items() if state == "on"}


#: what -> a statement that must fail or kill, with `os`, `socket`, `ctypes` there
FORBIDDEN = {
    "read a file": "open('/etc/passwd').read()",
    "read the own environment": "open('/proc/self/environ').read()",
    "list the root": "os.listdir('/')",
    "write a file": "open('/tmp/x', 'w')",
    "write beside itself": "open('x', 'w')",
    "make a folder": "os.mkdir('/tmp/x')",
    "remove a file": "os.unlink('/etc/hostname')",
    "leave the root": "os.chroot('/')",
    "open a network socket": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "open a local socket": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "make a pair of sockets": "socket.socketpair()",
    "resolve a name": "socket.getaddrinfo('localhost', 80)",
    "start a program": "os.execv('/bin/true', ['true'])",
    "start a process by fork": "os.fork()",
    "start a process by spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "start a thread": "__import__('_thread').start_new_thread(print, ())",
    "kill the parent": "os.kill(os.getppid(), 9)",
    "kill everyone": "os.kill(-1, 9)",
    "kill the first process": "os.kill(1, 9)",
    "trace another process": "traced(16, 1)",
    "be traced": "traced(0, 0)",
    "become root": "os.setuid(0)",
    "enter a namespace": "called('unshare', 0x10000000)",
    "mount": "called('mount', b'none', b'/', b'tmpfs', 0, None)",
    "make memory executable": "mapped(4096, 7)",
    "raise a limit": "__import__('resource').setrlimit(__import__('resource').RLIMIT_AS, (-1, -1))",
    "open a pipe": "os.pipe()",
    "make a file of memory": "os.memfd_create('x')",
    "watch files": "called('inotify_init')",
    "load a module of the kernel": "called('init_module', None, 0, b'')",
    "change the clock": "__import__('time').clock_settime(0, 1)",
    "use asynchronous input": "called('syscall', 425, 8, None)",
    "use bpf": "called('syscall', 321, 0, None, 0)",
    "use keys of the kernel": "called('syscall', 250, 0, 0)",
    "read another's memory": "called('process_vm_readv', 1, None, 0, None, 0, 0)",
}

PROGRAM = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def called(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)

def traced(request, pid):
    called("ptrace", request, pid, None, None)

def mapped(size, protection):
    libc.mmap.restype = ctypes.c_void_p
    if libc.mmap(None, size, protection, 0x22, -1, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")

def main():
    {statement}
    return "OUT"
"""


@pytest.mark.parametrize("statement", list(FORBIDDEN.values()), ids=list(FORBIDDEN))
def test_what_leads_out_of_the_process_fails(bare_box: Sandbox, run_bare: Runner, statement: str) -> None:
    if "seccomp" not in layers_on(bare_box):
        pytest.skip("this machine has no seccomp")
    failure = run_bare.failure(PROGRAM.replace("{statement}", statement))
    assert failure.type in ("SecurityError", "PermissionError", "OSError", "gaierror", "ValueError"), failure


def test_the_language_layer_is_off_here(run_bare: Runner) -> None:
    assert run_bare.answer("import sys, os\ndef main():\n    return sys._getframe().f_code.co_name") == "main"


def test_a_call_that_is_not_listed_kills(bare_box: Sandbox, run_bare: Runner) -> None:
    if "seccomp" not in layers_on(bare_box):
        pytest.skip("this machine has no seccomp")
    program = "import os\ndef main():\n    try:\n        os.fork()\n    except BaseException:\n        return 'alive'"
    failure = run_bare.failure(program)
    assert failure.type == "SecurityError"


def test_a_child_has_no_environment_and_one_socket(run_bare: Runner) -> None:
    program = """
        import os, socket
        def main():
            kinds = {}
            for fd in range(64):
                try:
                    os.write(fd, b"")
                    kinds[fd] = "open"
                except OSError:
                    pass
            return [sorted(os.environ), sorted(kinds)]
    """
    environment, descriptors = run_bare.answer(program)
    assert [name for name in environment if name != "LC_CTYPE"] == []
    assert set(descriptors) <= {0, 1, 2, 3}


def test_a_child_of_a_parent_with_many_files_has_one_socket_all_the_same() -> None:
    program = textwrap.dedent("""
        import os, resource
        from sandbox import Limits, Program, Sandbox
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
        kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        box = Sandbox(language_layer=False)
        source = (
            "import os\\ndef main():\\n    found = []\\n    for fd in range(4096):\\n"
            "        try: os.write(fd, b'')\\n        except OSError: continue\\n        found.append(fd)\\n    return found"
        )
        verdict = box.run(Program(source, "main", b"[]", b"{}"), Limits(wall_seconds=10))
        box.close()
        assert verdict.result_json in (b"[1,2,3]", b"[0,1,2,3]"), verdict
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr


def test_what_a_child_writes_to_its_standard_streams_goes_nowhere() -> None:
    program = textwrap.dedent("""
        from sandbox import Limits, Program, Sandbox
        box = Sandbox(language_layer=False)
        source = "import os\\ndef main():\\n    for fd in (1, 2): os.write(fd, b'LEAK')\\n    return 1"
        verdict = box.run(Program(source, "main", b"[]", b"{}"), Limits(wall_seconds=10))
        box.close()
        assert verdict.result_json == b"1", verdict
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert b"LEAK" not in done.stdout + done.stderr


def test_a_child_is_another_user_without_rights(bare_box: Sandbox, run_bare: Runner) -> None:
    if "user" not in layers_on(bare_box):
        pytest.skip("this machine gives no other user")
    program = "import posix\ndef main():\n    return 1"
    assert run_bare.answer(program) == 1
    link = bare_box._full.link
    assert link is not None
    wait_until(lambda: len(_family_of(link)) >= 4, 10, "the guardian, the zygote and two children")
    seen = 0
    for pid in _family_of(link):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue  # the child that answered has ended meanwhile
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if fields["Name"] and int(fields["NSpid"].split()[-1]) != pid:  # inside the namespace
            assert set(fields["Uid"].split()) == {fields["Uid"].split()[0]}
            assert fields["Uid"].split()[0] != "0"
            assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
            assert fields["NoNewPrivs"].strip() == "1"
            seen += 1
    assert seen >= 2, "the zygote, and a child that waits"


def _family_of(link: Link) -> list[int]:
    """The zygote's processes, as the machine sees them."""
    assert link._process is not None
    return family_pids(link._process.pid)


def _is_listed(pid: int) -> bool:
    """Whether it runs or waits for its parent to look after it."""
    return Path(f"/proc/{pid}").exists()


def _open_descriptors() -> list[str]:
    """What each is; the one that reads the folder is none any more."""
    names = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(fd.readlink()))
    return sorted(names)


class TestReport:
    def test_the_readme_says_of_every_layer_what_it_stops_and_needs(self) -> None:
        readme = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text()
        rows = [line.split("|") for line in readme.splitlines() if line.startswith("| `")]
        told = {row[1].strip(" `") for row in rows if len(row) == 6 and all(cell.strip() for cell in row[1:5])}
        assert told >= NAMES

    def test_every_layer_is_reported_by_name(self, box: Sandbox) -> None:
        assert set(box.layers) == NAMES
        assert all(state for state in box.layers.values())

    def test_a_required_layer_that_holds_lets_it_start(self) -> None:
        sandbox = Sandbox(spare_children=0, require=["process"])
        sandbox.start()
        sandbox.close()

    def test_a_required_layer_that_does_not_hold_is_named(self) -> None:
        sandbox = Sandbox(spare_children=0, require=["process", "no such layer"])
        with pytest.raises(SandboxError, match="no such layer"):
            sandbox.start()
        sandbox.close()

    def test_one_of_two_required_layers_is_enough(self) -> None:
        sandbox = Sandbox(spare_children=0, require=["no such layer|process"])
        sandbox.start()
        sandbox.close()

    def test_alternatives_of_which_none_holds_are_named_with_the_reason(self) -> None:
        sandbox = Sandbox(spare_children=0, require=["landlock|root"], without=["landlock", "root"])
        with pytest.raises(LayersMissing) as raised:
            sandbox.start()
        assert str(raised.value) == "landlock (off: left out on request) or root (off: left out on request)"

    def test_a_closed_sandbox_runs_nothing(self) -> None:
        sandbox = Sandbox(spare_children=0)
        sandbox.start()
        sandbox.close()
        with pytest.raises(SandboxError, match="closed"):
            sandbox.run(Program("def main(): return 1", "main", b"[]", b"{}"), Limits(wall_seconds=5))


class TestLivesAndDeaths:
    @pytest.fixture
    def fresh(self) -> Iterator[Sandbox]:
        sandbox = Sandbox(spare_children=2)
        sandbox.start()
        yield sandbox
        sandbox.close()

    def test_the_zygotes_death_between_two_runs_is_mended(self, fresh: Sandbox) -> None:
        link = fresh._full.link
        assert link is not None
        kill_each(_family_of(link))
        assert Runner(fresh).answer("1") == 1

    def test_a_zygote_that_was_killed_does_not_stay_as_a_zombie(self, fresh: Sandbox) -> None:
        link = fresh._full.link
        assert link is not None
        guardian, *_ = _family_of(link)
        os.kill(guardian, signal.SIGKILL)
        wait_until(lambda: not _is_listed(guardian), 10, "its end; nobody asks the sandbox for anything, and yet")

    def test_the_zygotes_death_while_a_program_runs_loses_nothing(self, fresh: Sandbox) -> None:
        import threading

        link = fresh._full.link
        assert link is not None
        family = _family_of(link)
        found = []
        program = "import time\ndef main():\n    time.sleep(0.5)\n    return 7"
        thread = threading.Thread(target=lambda: found.append(Runner(fresh).answer(program)))
        thread.start()
        wait_until(lambda: len(_family_of(link)) >= len(family), 10, "a child that runs, and two that wait")
        os.kill(family[0], signal.SIGKILL)
        thread.join()
        assert found == [7]

    def test_closing_leaves_no_process(self, fresh: Sandbox) -> None:
        link = fresh._full.link
        assert link is not None
        wait_until(lambda: len(_family_of(link)) >= 3, 10, "the zygote and two children")
        family = _family_of(link)
        fresh.close()
        wait_until(lambda: not any(is_running(pid) for pid in family), 10, "the end of all")

    @pytest.mark.parametrize("without", [[], ["namespaces"]], ids=["all layers", "without namespaces"])
    def test_kill_9_of_the_worker_leaves_neither_zygote_nor_child(self, without: list[str]) -> None:
        program = textwrap.dedent("""
            import threading
            from sandbox import Limits, Program, Sandbox
            box = Sandbox(spare_children=2, without=WITHOUT)
            box.start()
            print(box._full.link._process.pid, flush=True)
            source = "def main():\\n    print('on')\\n    while True: pass"
            box.run(Program(source, "main", b"[]", b"{}"), Limits(wall_seconds=60))
        """).replace("WITHOUT", repr(without))
        worker = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert worker.stdout is not None
        zygote = int(worker.stdout.readline())

        wait_until(lambda: len(family_pids(zygote)) >= 3, 10, "the zygote and two children")
        family = family_pids(zygote)
        worker.kill()
        worker.wait()
        worker.stdout.close()
        wait_until(lambda: not any(is_running(pid) for pid in family), 10, f"the end of {family}")

    def test_no_program_leaves_a_process_or_a_descriptor(self, fresh: Sandbox) -> None:
        runner = Runner(fresh)
        runner.answer("1")
        link = fresh._full.link
        assert link is not None
        # A waiting child has a socket and, once it is born, a pidfd; two of them may be on their way.
        most = len(_open_descriptors()) + 2 * 2
        for _ in range(10):
            runner.answer("1")
            runner.failure("def main():\n    while True: pass", wall_seconds=0.05)
        wait_until(lambda: len(_family_of(link)) <= 2 + 2, 10, "the end of what ran")
        wait_until(lambda: len(_open_descriptors()) <= most, 10, f"at most {most} of {_open_descriptors()}")


def _measurement(measure: Callable[[], layer_table.Measured]) -> layer_table.Measured:
    """Skipped where this machine can't make the setting; failed in CI, whose machines can."""
    try:
        return measure()
    except layer_table.CannotMeasure as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def ordinary() -> layer_table.Measured:
    """What an ordinary user in a container without rights achieves."""
    return _measurement(layer_table.measure_in_container)


class TestOneLayerOff:
    """An ordinary user in a container without rights: what still fails when one layer is left out."""

    @pytest.mark.parametrize("what", ATTEMPTS)
    def test_with_all_that_the_kernel_has_everything_fails(self, ordinary: layer_table.Measured, what: str) -> None:
        if "seccomp" not in ordinary.layers_on:
            pytest.skip("this machine has no seccomp")
        assert not ordinary.achieved["all"][what]

    @pytest.mark.parametrize("what", ATTEMPTS)
    def test_each_layer_refuses_what_the_page_says(self, ordinary: layer_table.Measured, what: str) -> None:
        by_the_page = layer_table.written()[what]
        for layer in ordinary.layers_on & {*LAYERS}:
            refused = bool({layer, "process"} & by_the_page)
            assert ordinary.achieved[f"only {layer}"][what] is not refused, layer

    @pytest.mark.parametrize("what", ATTEMPTS)
    def test_what_two_layers_refuse_fails_whichever_is_off(self, ordinary: layer_table.Measured, what: str) -> None:
        here = ordinary.layers_on | {"process"}
        for layer in LAYERS:
            refused = bool(layer_table.written()[what] & here - {layer})
            assert ordinary.achieved[f"without {layer}"][what] is not refused, layer

    def test_the_page_is_what_this_machine_does(self, ordinary: layer_table.Measured) -> None:
        if not ordinary.layers_on >= {*LAYERS}:
            pytest.skip("the page tells what a newer kernel does")
        if os.geteuid() != 0:
            pytest.skip("some of its columns need root")
        of_root = _measurement(layer_table.measure_as_root)
        assert layer_table.PAGE.read_text() == layer_table.page(ordinary, of_root), layer_table.COMMAND


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_memory_of_a_child_is_both_writable_and_executable(bare_box: Sandbox) -> None:
    link = bare_box._full.link
    assert link is not None
    maps = [Path(f"/proc/{pid}/maps") for pid in _family_of(link)]
    try:
        rights = {line.split()[1] for each in maps for line in each.read_text().splitlines()}
    except PermissionError:
        pytest.skip("a child's memory is hidden from all but root")
    assert rights
    assert not [right for right in rights if "w" in right and "x" in right]
