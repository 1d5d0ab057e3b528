"""A child that is out of its language, and says to the parent whatever it likes.

By hand, the fuzz test can run for as long as there is time:

    FUZZ_SECONDS=600 FUZZ_SEED=7 python -m pytest tests/box/test_hostile_child.py -k mutated -s
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

import pytest

from app.api.shapes import task_json
from app.domain.status import Kind, Status
from app.settings import Settings
from app.store.store import Store
from sandbox import Cancel, Failure, Sandbox, protocol
from tasks.executors.code import CodeExecutor
from tests.box.programs import Runner
from tests.conftest import NOON_MS
from tests.lateness import Lateness
from tests.store.making import new_task

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")

WALL_SECONDS = 1.0
#: For what ends in another way, on a machine that has other things to do.
AMPLE_SECONDS = 15.0
#: what a child that is out of its language does to the parent: statement -> error type
HOSTILE_CHILDREN = {
    "floods": ("while True: os.write(3, b'x' * 65536)", {"SecurityError", "OutputLimitError"}),
    "floods with output": (
        "while True: os.write(3, b'o' + (1000).to_bytes(4, 'big') + b'x' * 1000)",
        {"SecurityError", "OutputLimitError"},
    ),
    "sends a frame of four gigabytes": ("os.write(3, b'o' + b'\\xff' * 4)", {"SecurityError", "OutputLimitError"}),
    "sends half a frame and stays": ("os.write(3, b'r\\0\\0'); time.sleep(60)", {"TimeoutError"}),
    "sends half a frame and goes": ("os.write(3, b'r\\0\\0'); os._exit(0)", {"SecurityError"}),
    "forges a result that is no JSON": ("os.write(3, b'r\\0\\0\\0\\2{]'); os._exit(0)", {"SecurityError"}),
    "forges a result of NaN": ("os.write(3, b'r\\0\\0\\0\\3NaN'); os._exit(0)", {"SecurityError"}),
    "forges a result that is no UTF-8": ("os.write(3, b'r\\0\\0\\0\\3\"\\xff\"'); os._exit(0)", {"SecurityError"}),
    "forges a result of great depth": (
        "d = b'[' * 90000 + b']' * 90000; os.write(3, b'r' + len(d).to_bytes(4, 'big') + d); os._exit(0)",
        {"SecurityError"},
    ),
    "forges a failure of another form": ("os.write(3, b'f\\0\\0\\0\\2[]'); os._exit(0)", {"SecurityError"}),
    "forges a result in UTF-16": (
        "d = '\"x\"'.encode('utf-16'); os.write(3, b'r' + len(d).to_bytes(4, 'big') + d); os._exit(0)",
        {"SecurityError"},
    ),
    "forges a result with a byte order mark": (
        "d = b'\\xef\\xbb\\xbf1'; os.write(3, b'r' + len(d).to_bytes(4, 'big') + d); os._exit(0)",
        {"SecurityError"},
    ),
    "forges half of a surrogate pair": (
        "d = b'\"\\\\ud800\"'; os.write(3, b'r' + len(d).to_bytes(4, 'big') + d); os._exit(0)",
        {"SecurityError"},
    ),
    "forges a number that overflows": ("os.write(3, b'r\\0\\0\\0\\5' + b'1e999'); os._exit(0)", {"SecurityError"}),
    "forges figures": ("os.write(3, b'm\\0\\0\\0\\2{}'); os._exit(0)", {"SecurityError"}),
    "sends figures again and again": (
        'while True: os.write(3, b\'m\\0\\0\\0\\x1e{"cpu_ms": 1, "memory_kb":   1}\')',
        {"SecurityError"},
    ),
    "sends output of nothing for ever": ("while True: os.write(3, b'o\\0\\0\\0\\0' * 9000)", {"SecurityError"}),
    "sends what nobody knows": ("os.write(3, b'?\\0\\0\\0\\0'); os._exit(0)", {"SecurityError"}),
    "says nothing": ("time.sleep(60)", {"TimeoutError"}),
    "goes without a word": ("os._exit(0)", {"SecurityError"}),
    "hangs up and stays": ("os.close(3); time.sleep(60)", {"SecurityError", "TimeoutError"}),
    "ignores signals": (
        "import signal\n    [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]\n    time.sleep(60)",
        {"SecurityError", "TimeoutError"},
    ),
    "crashes": ("import ctypes; ctypes.string_at(1)", {"MemoryLimitError", "CrashError"}),
    "aborts": ("os.abort()", {"MemoryLimitError", "CrashError", "SecurityError"}),
}


@pytest.mark.parametrize(("statement", "errors"), list(HOSTILE_CHILDREN.values()), ids=list(HOSTILE_CHILDREN))
def test_a_hostile_child_costs_its_own_task_only(run_bare: Runner, statement: str, errors: set[str]) -> None:
    wall_seconds = WALL_SECONDS if "TimeoutError" in errors else AMPLE_SECONDS
    with Lateness() as late:
        failure = run_bare.failure(f"import os, time\ndef main():\n    {statement}\n", wall_seconds=wall_seconds)
    assert failure.type in errors, failure
    assert late.taken_seconds < wall_seconds + 4
    assert run_bare.answer("1") == 1


FAILURE = {"type": "ValueError", "message": "no", "line": 1, "traceback": None, "permanent": False}
METRICS = {"cpu_ms": 1.5, "memory_kb": 1000}


def _said(run_bare: Runner, metrics: object, failure: object) -> Failure:
    """What becomes of a child that reports these."""
    frames = [(b"m", json.dumps(metrics)), (b"f", json.dumps(failure))]
    said = b"".join(letter + len(text).to_bytes(4, "big") + text.encode() for letter, text in frames)
    return run_bare.failure("import os\ndef main(said):\n    os.write(3, bytes.fromhex(said)); os._exit(0)", said.hex())


@pytest.mark.parametrize(
    "change",
    [
        {"type": ""},
        {"type": "no name"},
        {"type": "x" * 201},
        {"type": "A\n"},
        {"type": None},
        {"message": None},
        {"message": ["no"]},
        {"line": -1},
        {"line": 10**9},
        {"line": True},
        {"line": 1.0},
        {"line": "1"},
        {"traceback": 1},
        {"permanent": 1},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_failure_that_no_program_causes_is_refused(run_bare: Runner, change: dict[str, object]) -> None:
    assert _said(run_bare, METRICS, FAILURE).type == "ValueError"
    assert _said(run_bare, METRICS, {**FAILURE, **change}).message == "the program sent an answer of a wrong form"


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_ms": float("nan")},
        {"cpu_ms": float("inf")},
        {"cpu_ms": -1},
        {"cpu_ms": "1"},
        {"cpu_ms": True},
        {"memory_kb": 1.5},
        {"memory_kb": 2**50},
        {"memory_kb": None},
        {"more": 1},
    ],
    ids=repr,
)
def test_figures_that_are_none_are_refused(run_bare: Runner, change: dict[str, object]) -> None:
    assert _said(run_bare, {**METRICS, **change}, FAILURE).message == "the program sent an answer of a wrong form"


@pytest.mark.parametrize("name", ["WorkerLostError", "CpuLimitError"])
def test_a_program_can_not_speak_in_the_name_of_who_runs_it(run: Runner, run_bare: Runner, name: str) -> None:
    failure = run.failure(f"class {name}(Exception): pass\ndef main():\n    raise {name}('no')")
    assert (failure.type, failure.message) == (f"task.{name}", "no")
    assert _said(run_bare, METRICS, {**FAILURE, "type": name}).type == f"task.{name}"


@pytest.mark.parametrize(("depth", "error"), [(490, None), (510, "ResultError"), (980, "ResultError")])
def test_a_deep_result_is_kept_or_told_as_what_it_is(run: Runner, depth: int, error: str | None) -> None:
    verdict = run.verdict("def main(n):\n    x = []\n    for _ in range(n - 1): x = [x]\n    return x", depth)
    assert (verdict.failure and verdict.failure.type) == error
    if verdict.failure:
        assert "nested too deeply" in verdict.failure.message


SAYS = "import os\ndef main(said):\n    os.write(3, bytes.fromhex(said)); os._exit(0)"
#: Bytes that parsers have been fooled by.
SPICES = [
    b"NaN", b"-Infinity", b"1e999", b"-1e999", b"1" * 400 + b".0", b"9" * 5000, b"1e-999", b"-0", b"true", b"null",
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\x80", b"\0",
    b"[" * 600 + b"]" * 600, b"[" * 60_000, b'{"a":' * 600 + b"1" + b"}" * 600, b'{"a":1,"a":2}', b"\xe2\x80\xa8", b"\x1b[31m",
    b'"line": 99999999999999999999', b'"type": "WorkerLostError"', b'"type": ""', b'"message": null', b"\n", b",", b'"',
]  # fmt: skip
HONEST = [
    [(b"o", "print é\n".encode()), (b"m", b'{"cpu_ms": 0.8, "memory_kb": 5120}'), (b"r", '{"a": [1, 2.5, "é", null]}'.encode())],
    [(b"m", b'{"cpu_ms": 0.8, "memory_kb": 5120}'), (b"f", b'{"type": "ValueError", "message": "no", "line": 3, "traceback": "x", "permanent": false}')],
    [(b"o", b"x" * 300), (b"o", b""), (b"r", b'"text"')],
]  # fmt: skip


def _mutated(chance: random.Random) -> bytes:
    """What an honest child says, and up to four things that it would not."""
    frames = [[letter, bytearray(payload)] for letter, payload in chance.choice(HONEST)]
    for _ in range(chance.randint(1, 4)):
        _mutate(chance, chance.choice(frames), frames)
    said = b"".join(protocol.frame(letter, bytes(payload)) for letter, payload in frames)
    if chance.random() < 0.2:  # the frames themselves
        at = chance.randrange(len(said))
        said = said[:at] + chance.randbytes(chance.randint(0, 3)) + said[at + chance.randint(0, 3) :]
    return said


def _mutate(chance: random.Random, frame: list[Any], frames: list[list[Any]]) -> None:
    payload: bytearray = frame[1]
    at, end = sorted((chance.randint(0, len(payload)), chance.randint(0, len(payload))))
    match chance.randrange(7):
        case 0:
            payload[at : at + 1] = chance.randbytes(1)
        case 1:
            payload[at:end] = b""
        case 2:
            payload[at:at] = chance.choice(SPICES)
        case 3:
            payload[at:end] = chance.choice(SPICES)
        case 4:
            frame[1] = bytearray(chance.choice(SPICES))
        case 5:
            text = bytes(payload).decode("utf-8", "replace")
            frame[1] = bytearray(text.encode(chance.choice(["utf-16", "utf-32", "utf-8-sig", "utf-16-be"])))
        case 6:
            frames.append(list(chance.choice(frames)))


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} came out of the API")


def _read_by_the_api(store: Store, executor: CodeExecutor, said: bytes) -> dict[str, Any]:
    """The task as GET answers it, after a child has said these bytes."""
    spec = {"function_code": SAYS, "function_name": "main", "args": [said.hex()], "kwargs": {}}
    task = new_task(NOON_MS, spec=spec, timeout=10.0)
    store.tasks.create([task], NOON_MS)
    attempt = store.tasks.claim(task.id, "w@here", NOON_MS, NOON_MS + 60_000, [Kind.CODE])
    assert not isinstance(attempt, str), attempt
    store.tasks.finish(attempt, executor.execute(attempt, Cancel()), NOON_MS, 1.0)
    found = store.tasks.get(task.id)
    assert found is not None
    text = task_json(found).decode("utf-8")
    store.tasks.delete(task.id)
    read: dict[str, Any] = json.loads(text, parse_constant=_no_constant)
    assert json.dumps(read, allow_nan=False)
    return read


#: So many reach every reader, however slow the machine is.
FEWEST_CHILDREN = 100


def test_whatever_a_mutated_child_says_the_api_can_answer(store: Store, bare_box: Sandbox) -> None:
    seed = int(os.environ.get("FUZZ_SEED", "20261128"))
    deadline = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "4"))
    chance, executor = random.Random(seed), CodeExecutor(bare_box, Settings())
    ends: dict[str, int] = {}
    while time.monotonic() < deadline or sum(ends.values()) < FEWEST_CHILDREN:
        said = _mutated(chance)
        try:
            task = _read_by_the_api(store, executor, said)
        except Exception as error:
            raise AssertionError(f"seed {seed}, after {sum(ends.values())} children, one said {said!r}") from error
        assert task["status"] in (Status.SUCCEEDED, Status.FAILED)
        end = task["error"]["type"] if task["error"] else "a result"
        ends[end] = ends.get(end, 0) + 1
    print(
        f"\nseed {seed}: {sum(ends.values())} children ended in {len(ends)} ways, among them {ends.get('a result')} results"
    )
    assert {"a result", "SecurityError", "ValueError"} <= ends.keys(), "the mutations reach every reader"
