"""Programs that have run before run from kept code, most of them in children of the lean zygote, and nobody notices."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from RestrictedPython.transformer import INSPECT_ATTRIBUTES

from sandbox import Failure, Limits, Program, Sandbox, Verdict, protocol
from sandbox.codes import Kept, key_of
from sandbox.inside import modules, names
from tests.box.conftest import Walk
from tests.box.programs import Runner, plain
from tests.servers import family_pids, kill_each, wait_until

LIMITS = Limits(wall_seconds=10)


@pytest.fixture(scope="module")
def fresh() -> Iterator[Sandbox]:
    sandbox = Sandbox(spare_children=1)
    sandbox.start()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def bare() -> Iterator[Sandbox]:
    """Without the language layer: what holds in a lean child holds without RestrictedPython."""
    sandbox = Sandbox(spare_children=1, language_layer=False)
    sandbox.start()
    yield sandbox
    sandbox.close()


def _kept(box: Sandbox, source: str) -> Kept | None:
    return box._codes.get(key_of(source.encode()))


def _lean_runs(box: Sandbox) -> int:
    """How many children the lean zygote has been asked for."""
    link = box._lean.link
    assert link is not None
    return link.spawned


def _thrice(box: Sandbox, source: str, *args: object) -> list[Verdict]:
    program = Program(source, "main", json.dumps(args).encode())
    return [box.run(program, LIMITS) for _ in range(3)]


SAME = {
    "a number": "def main():\n    return 42",
    "a large number": "def main():\n    return 7 ** 2000",
    "arguments": "def main(a=1, *b, c='é'):\n    return [a, b, c]",
    "a text": "def main():\n    return 'é\\n\\\"' * 3",
    "a tree": "def main():\n    return {'a': [1, 2.5, None, True], 'b': {'c': 'x'}}",
    "a class": "class P:\n    def __init__(self): self.x = 1\n    def __repr__(self): return f'P({self.x})'\ndef main():\n    return repr(P())",
    "a class of classes": "class M(type):\n    def __new__(m, n, b, d): return super().__new__(m, n, b, {**d, 'x': 3})\nclass A(metaclass=M): pass\ndef main():\n    return A.x",
    "a closure": "def main():\n    return [f() for f in [lambda i=i: i * 2 for i in range(3)]]",
    "a generator": "def g():\n    yield from range(3)\ndef main():\n    return sum(g())",
    "formatting": "def main():\n    return '{0!r:>5}|{x:.2f}'.format('a', x=1.5) + f'{3:04}' + '%s' % 1",
    "an exception group": "def main():\n    try: raise ExceptionGroup('g', [ValueError(1), KeyError(2)])\n    except ExceptionGroup as e: return [str(x) for x in e.exceptions]",
    "math": "import math\ndef main():\n    return [math.floor(math.pi), math.gcd(12, 18), math.sqrt(16)]",
    "time": "import time\ndef main():\n    time.sleep(0.001)\n    return time.time() > 1e9 and time.gmtime(0).tm_year",
    "json.decoder": "import json\ndef main():\n    try: json.loads('[')\n    except json.decoder.JSONDecodeError as error: return str(error)",
    "json": "import json\nclass E(json.JSONEncoder):\n    def default(self, o): return sorted(o)\ndef main():\n    return json.dumps(json.loads('[1, {\"a\": null}]'), indent=1) + json.dumps({1}, cls=E)",
    "re": "import re\ndef main():\n    return re.sub(r'(?P<a>\\w)x', lambda m: m['a'].upper(), 'ax bx') + str(re.compile('x', re.I | re.M))",
    "string": "import string\ndef main():\n    return string.Template('$a').substitute(a=1) + string.Formatter().format('{0.imag}', 3)",
    "match": "def main():\n    match [1, {'k': 2}]:\n        case [a, {'k': b}]: return a + b",
    "sets": "def main():\n    return sorted({3, 1} | frozenset([2]))",
    "bytes": "def main():\n    return list(bytearray(b'abc')) + [bytes('é', 'utf-8').hex()]",
}
#: What a lean child finds out that it does not have.
MISSED = {
    "an encoding": "def main():\n    return 'é'.encode('cp1252').hex()",
    "an encoding whose name is made": "def main():\n    return 'ä'.encode('id' + 'na').decode()",
    "an encoding that is none": "def main():\n    try: 'x'.encode('no such')\n    except LookupError as e: return str(e)",
    "strptime": "import time\ndef main():\n    return time.strptime('2026', '%Y').tm_year",
    "the name of a character": "def main():\n    return 'é'.encode('ascii', 'namereplace').decode()",
}
if sys.version_info >= (3, 12):
    MISSED["a division of large numbers"] = "def main():\n    return (10**9000 // 7**3500) % 1000003"
#: What can be seen in the code.
SEEN = {
    "an import": "import csv\ndef main():\n    return csv.QUOTE_ALL",
    "an import in a function": "def main():\n    from datetime import date\n    return str(date(2026, 1, 2))",
    "eval": "def main():\n    return eval('1 + 1')",
    "a coroutine": "async def f():\n    return 1\nasync def main():\n    return await f()",
}


@pytest.mark.parametrize("source", SAME.values(), ids=list(SAME))
def test_a_program_gives_the_same_each_time(fresh: Sandbox, source: str) -> None:
    first, *later = [each.result_json for each in _thrice(fresh, source)]
    assert first is not None
    assert later == [first, first]
    assert json.loads(first) == plain(source)
    kept = _kept(fresh, source)
    assert kept is not None
    assert kept.fits_lean


@pytest.mark.parametrize("source", MISSED.values(), ids=list(MISSED))
def test_what_a_lean_child_misses_is_run_where_it_is(fresh: Sandbox, source: str) -> None:
    first, *later = [each.result_json for each in _thrice(fresh, source)]
    assert first is not None
    assert later == [first, first]
    kept = _kept(fresh, source)
    assert kept is not None
    assert not kept.fits_lean, "it is not tried again"


@pytest.mark.parametrize("source", SEEN.values(), ids=list(SEEN))
def test_what_needs_the_library_never_goes_to_a_lean_child(fresh: Sandbox, source: str) -> None:
    before = _lean_runs(fresh)
    first, *later = [each.result_json for each in _thrice(fresh, source)]
    assert first is not None
    assert later == [first, first]
    assert _lean_runs(fresh) == before
    assert _kept(fresh, source) is not None


def test_output_of_a_run_that_is_begun_twice_is_passed_on_once(fresh: Sandbox) -> None:
    source = "def main(name):\n    print('begun')\n    'x'.encode(name)\n    print('done')"
    passed: list[str] = []
    for name in ("utf-8", "utf-8", "idna"):
        passed.clear()
        program = Program(source, "main", json.dumps([name]).encode())
        verdict = fresh.run(program, LIMITS, on_output=passed.append)
        assert verdict.stdout == "begun\ndone\n"
        assert "begun\ndone\n".startswith("".join(passed)), "what comes with the result is in the verdict only"


FAILURES = {
    "an exception": "def f(x):\n    return 1 / x\ndef main():\n    return f(0)",
    "a missing function": "def other():\n    pass",
    "a wrong call": "def main(a):\n    return a",
    "a refused attribute": "def main():\n    return getattr(main, '__co' + 'de__')",
    "a module": "def main():\n    import math\n    return math.nothing",
    "no JSON": "def main():\n    return {1, 2}",
    "an exit": "def main():\n    exit(3)",
    "memory": "def main():\n    x = 'x' * 10 ** 10",
    "a dead end": "def main():\n    def f(): f()\n    f()",
    "a source with a lone surrogate": "def main():\n    raise ValueError('\ud800')",
}


@pytest.mark.parametrize("source", FAILURES.values(), ids=list(FAILURES))
def test_a_failure_is_told_in_the_same_words_each_time(fresh: Sandbox, source: str) -> None:
    first, *later = [each.failure for each in _thrice(fresh, source)]
    assert first is not None
    assert later == [first, first]


def test_limits_hold_in_a_lean_child(fresh: Sandbox) -> None:
    source = "def main(what):\n    while what == 'time': pass\n    while what == 'output': print('x' * 1000)"
    _thrice(fresh, source, "nothing")
    before = _lean_runs(fresh)

    def failure(what: str, limits: Limits) -> Failure | None:
        return fresh.run(Program(source, "main", json.dumps([what]).encode()), limits).failure

    timed_out = failure("time", Limits(wall_seconds=0.2))
    assert timed_out is not None
    assert timed_out.type == "TimeoutError"
    used_up = failure("time", Limits(wall_seconds=60, cpu_seconds=1))
    assert used_up is not None
    assert used_up.type == "CpuLimitError"
    cut = fresh.run(Program(source, "main", b'["output"]'), Limits(wall_seconds=60, cpu_seconds=1, stdout_bytes=5000))
    assert cut.stdout_truncated
    assert len(cut.stdout) == 5000
    assert _lean_runs(fresh) > before


def test_nothing_of_one_program_is_there_for_the_next(fresh: Sandbox) -> None:
    source = "seen = []\ndef main():\n    seen.append(1)\n    return [len(seen), sorted(globals())]"
    assert [each.result_json for each in _thrice(fresh, source)] == [b'[1,["__doc__","__name__","main","seen"]]'] * 3


@pytest.mark.parametrize("module", modules.LEAN)
def test_a_module_is_the_same_in_both_zygotes(fresh: Sandbox, module: str) -> None:
    source = (
        f"import {module} as m\ndef main():\n    return [[n, str(type(getattr(m, n)))] for n in dir(m) if n[0] != '_']"
    )
    before = _lean_runs(fresh)
    first, *later = [each.result_json for each in _thrice(fresh, source)]
    assert first is not None
    assert later == [first, first]
    assert _lean_runs(fresh) > before


# --- what a child may send to be kept ----------------------------------------------------------------


def _bare_source(statements: str) -> str:
    """A program of a bare child that gets `os` in a way that no list of imports shows."""
    return (
        "o = getattr(print.__self__, '__imp' + 'ort__')('os')\n"
        f"def main(*args):\n    {statements}\n    return 'end'\n"
    )  # fmt: skip


def test_a_program_can_not_have_other_code_kept(bare: Sandbox) -> None:
    """The honest code was sent before the program started; a second one is an answer of a wrong form."""
    forged = protocol.frame(protocol.CODE, protocol.FITS_LEAN + b"forged")
    source = _bare_source(f"args and o.write(3, {forged!r})")
    for _ in range(3):
        verdict = bare.run(Program(source, "main", b"[1]"), LIMITS)
        assert verdict.failure == Failure("SecurityError", "the program sent an answer of a wrong form")
        kept = _kept(bare, source)
        assert kept is not None
        assert kept.code != b"forged"
        assert bare.run(Program(source, "main", b"[]"), LIMITS).result_json == b'"end"'


def test_code_that_is_too_long_leaves_the_program_no_chance_either(bare: Sandbox) -> None:
    forged = protocol.frame(protocol.CODE, protocol.FITS_LEAN + b"forged")
    source = f"x = '{'x' * protocol.MAX_CODE_BYTES}'\n" + _bare_source(f"o.write(3, {forged!r})")
    verdict = bare.run(Program(source, "main"), LIMITS)
    assert verdict.failure == Failure("SecurityError", "the program sent an answer of a wrong form")
    assert _kept(bare, source) is None


def test_poisoned_code_reaches_its_own_source_only_and_finds_the_same_walls(bare: Sandbox) -> None:
    """As if the compiler had been fooled: whatever is kept of a source, only a locked-in child reads it."""
    victim, source = "def main():\n    return 'mine'", "def main():\n    return 'theirs'"
    for each in (victim, source):
        bare.run(Program(each, "main"), LIMITS)
    kept = _kept(bare, source)
    assert kept is not None
    pid = os.getpid()
    for poison in (b"", b"\0", b"\xfb" * 50, b"(\xff\xff\xff\x7f", kept.code[:-5], b"i\1\0\0\0", os.urandom(200)):
        for fits_lean in (True, False):
            bare._codes.put(key_of(source.encode()), Kept(kept.version, fits_lean, poison))
            verdict = bare.run(Program(source, "main"), LIMITS)
            assert verdict.failure is not None or verdict.result_json == b'"theirs"', poison
            assert bare.run(Program(victim, "main"), LIMITS).result_json == b'"mine"'
    assert os.getpid() == pid


def test_a_lean_child_that_claims_to_miss_something_is_believed_once(bare: Sandbox) -> None:
    source = _bare_source(f"args and o.write(3, {protocol.frame(protocol.NOT_HERE, b'')!r})")
    for _ in range(2):
        assert bare.run(Program(source, "main"), LIMITS).result_json == b'"end"'
    kept = _kept(bare, source)
    assert kept is not None
    assert kept.fits_lean
    forged = bare.run(Program(source, "main", b"[1]"), LIMITS)
    assert forged.failure == Failure("SecurityError", "the program sent an answer of a wrong form")
    kept = _kept(bare, source)
    assert kept is not None
    assert not kept.fits_lean


def test_code_of_another_policy_is_not_run(fresh: Sandbox) -> None:
    source = "def main():\n    return 'today'"
    _thrice(fresh, source)
    kept = _kept(fresh, source)
    assert kept is not None
    for fits_lean in (True, False):
        fresh._codes.put(key_of(source.encode()), Kept("an older policy", fits_lean, b"older code"))
        assert fresh.run(Program(source, "main"), LIMITS).result_json == b'"today"'
        assert _kept(fresh, source) == kept, "compiled anew and kept"


# --- walls --------------------------------------------------------------------------------------------

ATTEMPTS = {
    "a file": "o.open('/etc/passwd', 0)",
    "a look at a file": "o.stat('/etc/passwd')",
    "a file of its own": "o.open('/tmp/made-by-a-program', 65)",
    "a program": "o.execv('/bin/sh', ['sh'])",
    "a process": "o.fork()",
    "a signal": "o.kill(1, 0)",
    "a pipe": "o.pipe()",
    "a descriptor": "o.dup(3)",
    "the control socket": "o.write(4, b'x')",
    "more memory": "x = bytearray(2 ** 30)",
    "executable memory": "getattr(print.__self__, '__imp' + 'ort__')('mmap').mmap(-1, 4096, prot=7)",
    "the environment": "assert set(o.environ) - {'LC_CTYPE'}",
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=list(ATTEMPTS))
def test_the_walls_around_a_lean_child_are_those_of_every_child(bare: Sandbox, attempt: str) -> None:
    source = _bare_source(f"args and {attempt}" if attempt[:6] not in ("x = by", "assert") else f"if args: {attempt}")
    for _ in range(2):
        assert bare.run(Program(source, "main"), LIMITS).result_json == b'"end"'
    before = _lean_runs(bare)
    verdict = bare.run(Program(source, "main", b"[1]"), LIMITS)
    assert _lean_runs(bare) > before
    assert verdict.failure is not None, verdict
    assert verdict.failure.type in ("SecurityError", "PermissionError", "OSError", "MemoryLimitError", "AssertionError")


def test_both_zygotes_have_the_same_layers(fresh: Sandbox) -> None:
    assert fresh._lean.layers == fresh.layers


def test_a_lean_child_has_one_socket(bare: Sandbox) -> None:
    source = _bare_source(
        "fds = []\n"
        "    for fd in range(1100):\n"
        "        try: o.read(fd, 0)\n"
        "        except OSError as e: e.errno != 9 and fds.append(fd)\n"
        "        else: fds.append(fd)\n"
        "    return fds"
    )
    assert [each.result_json for each in _thrice(bare, source)] == [b"[0,1,2,3]"] * 3


# --- life ---------------------------------------------------------------------------------------------


def test_the_lean_zygotes_death_is_mended() -> None:
    box = Sandbox(spare_children=1)
    box.start()
    try:
        runner = Runner(box)
        assert [runner.answer("1") for _ in range(3)] == [1, 1, 1]
        link = box._lean.link
        assert link is not None
        assert link._process is not None
        guardian = link._process.pid
        family = family_pids(guardian)
        kill_each(family)
        assert [runner.answer("1") for _ in range(3)] == [1, 1, 1]
        assert box._lean.link is not link
    finally:
        box.close()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), 15, "the end of both zygotes")


def test_where_programs_are_only_checked_there_is_no_lean_zygote() -> None:
    box = Sandbox(spare_children=0, runs_programs=False)
    box.start()
    assert box.check("def main(): return 1", "main") == []
    assert box._lean.link is None
    box.close()


def test_the_list_of_attributes_that_lead_to_frames_is_not_shorter_than_theirs() -> None:
    assert set(names.INSPECT_ATTRIBUTES) >= INSPECT_ATTRIBUTES


def test_no_path_leads_out_of_a_lean_child(walk: Walk) -> None:
    [walked] = walk("lean_graph.py", seconds=280)
    assert walked["forbidden"] == {}
    assert walked["objects"] > 4_000  # it has not stopped at the door
    assert walked["calls"] > 150_000
