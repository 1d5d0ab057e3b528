"""The parent's side of a conversation, byte by byte, without a child."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import protocol
from sandbox.reply import (
    MAX_CPU_MS,
    MAX_MEMORY_KB,
    MAX_PROBLEMS,
    Conversation,
    Forged,
    check_result,
    read_failure,
    read_metrics,
    read_problems,
)
from sandbox.verdict import Failure, Limits, Problem

LIMITS = Limits(1.0, result_bytes=100, stdout_bytes=10)
OUTPUT, METRICS, RESULT, CODE, NOT_HERE = (
    protocol.OUTPUT,
    protocol.METRICS,
    protocol.RESULT,
    protocol.CODE,
    protocol.NOT_HERE,
)
MEASURED = b'{"cpu_ms": 1.5, "memory_kb": 7}'


def conversation(budget: int = 1_000, **fields: Any) -> Conversation:
    return Conversation(LIMITS, protocol.Frames(100), budget, **fields)


def says(talk: Conversation, *frames: tuple[bytes, bytes]) -> tuple[bytes, bytes] | None:
    """Hear these frames at once."""
    return talk.heard(b"".join(protocol.frame(*each) for each in frames))


# --- frames ------------------------------------------------------------------------------------------


def test_frames_arrive_in_any_pieces() -> None:
    sent = [(b"o", b"a"), (b"m", b""), (b"r", b"xyz")]
    whole = b"".join(protocol.frame(*each) for each in sent)
    for size in range(1, len(whole) + 1):
        frames = protocol.Frames(3)
        found = [each for at in range(0, len(whole), size) for each in frames.feed(whole[at : at + size])]
        assert found == sent


def test_a_frame_has_a_longest_length() -> None:
    assert protocol.Frames(3).feed(protocol.frame(b"r", b"xyz")) == [(b"r", b"xyz")]
    with pytest.raises(ValueError, match="too long"):
        protocol.Frames(3).feed(protocol.frame(b"r", b"wxyz")[:5])


# --- the order and the amount of what a child says ----------------------------------------------------


def test_a_run_as_it_should_be() -> None:
    talk = conversation(wants_code=True)
    assert says(talk, (CODE, b"lxyz"), (OUTPUT, b"abc"), (OUTPUT, b"def"), (METRICS, MEASURED)) is None
    assert says(talk, (RESULT, b"1")) == (RESULT, b"1")
    verdict = talk.verdict(result=b"1")
    assert (talk.code, verdict.stdout, verdict.stdout_truncated) == (b"lxyz", "abcdef", False)
    assert (verdict.result_json, verdict.failure, verdict.cpu_ms, verdict.memory_kb) == (b"1", None, 1.5, 7)


def test_without_metrics_the_figures_are_zero() -> None:
    verdict = conversation().verdict(failure=Failure("A", "b"))
    assert (verdict.failure, verdict.cpu_ms, verdict.memory_kb, verdict.stopped) == (Failure("A", "b"), 0.0, 0, False)


def test_what_is_left_of_the_budget_counts() -> None:
    size = len(protocol.frame(OUTPUT, b"abc"))
    talk = conversation(budget=2 * size)
    says(talk, (OUTPUT, b"abc"))
    says(talk, (OUTPUT, b"abc"))
    with pytest.raises(Forged, match="too much"):
        talk.heard(b"x")


@pytest.mark.parametrize(
    "frames",
    [
        [(CODE, b"lx")],  # not asked for
        [(OUTPUT, b"a" * 11)],
        [(OUTPUT, b"a" * 6), (OUTPUT, b"a" * 5)],
        [(OUTPUT, b""), (OUTPUT, b"a")],  # the rest was cut off
        [(OUTPUT, b""), (OUTPUT, b"")],
        [(METRICS, MEASURED), (METRICS, MEASURED)],
        [(NOT_HERE, b"")],  # only a child of the lean zygote says so
        [(b"z", b"")],
    ],
)
def test_nothing_comes_out_of_turn(frames: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Forged):
        says(conversation(), *frames)


@pytest.mark.parametrize("before", [(OUTPUT, b"a"), (METRICS, MEASURED), (CODE, b"lx")])
def test_code_comes_first_or_not_at_all(before: tuple[bytes, bytes]) -> None:
    with pytest.raises(Forged):
        says(conversation(wants_code=True), before, (CODE, b"lx"))


def test_output_may_fill_its_bound_and_be_cut_off_there() -> None:
    talk = conversation()
    says(talk, (OUTPUT, b"abcdefgh"), (OUTPUT, "é".encode()), (OUTPUT, b""))
    assert (talk.verdict().stdout, talk.verdict().stdout_truncated) == ("abcdefghé", True)


@pytest.mark.parametrize(("is_cut", "text"), [(False, "ab\N{REPLACEMENT CHARACTER}"), (True, "ab")])
def test_half_a_character_at_the_end_is_dropped_where_output_was_cut_off(is_cut: bool, text: str) -> None:
    talk = conversation()
    says(talk, (OUTPUT, b"ab\xc3"), *([(OUTPUT, b"")] if is_cut else []))
    assert talk.verdict().stdout == text


def test_a_child_of_the_lean_zygote_may_say_that_it_lacks_something() -> None:
    assert says(conversation(lean=True), (NOT_HERE, b"")) == (NOT_HERE, b"")


def test_output_is_passed_on_once_and_in_whole_characters() -> None:
    passed: list[str] = []
    talk = conversation(on_output=passed.append)
    for part in (b"a", b"\xc3", b"\xa9b"):
        says(talk, (OUTPUT, part))
        talk.pass_output_on()
        talk.pass_output_on()
    assert passed == ["a", "éb"]
    unheard = conversation()
    says(unheard, (OUTPUT, b"a"))
    unheard.pass_output_on()


def test_the_run_begins_with_the_code_that_was_asked_for() -> None:
    steps: list[str] = []
    talk = conversation(wants_code=True, on_step=steps.append)
    says(talk, (CODE, b"lx"), (OUTPUT, b"a"))
    assert steps == ["run"]
    assert not talk.job_is_unread


# --- what a child says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpu_ms", "memory_kb", "is_accepted"),
    [
        (0, 0, True),
        (MAX_CPU_MS, MAX_MEMORY_KB, True),
        (0.5, 1, True),
        (-1, 0, False),
        (0, -1, False),
        (MAX_CPU_MS * 2, 0, False),
        (0, MAX_MEMORY_KB + 1, False),
        (True, 0, False),
        (0, 1.0, False),
        ("1", 0, False),
        (0, None, False),
    ],
)
def test_figures_are_numbers_within_bounds(cpu_ms: object, memory_kb: object, is_accepted: bool) -> None:
    payload = json.dumps({"cpu_ms": cpu_ms, "memory_kb": memory_kb}).encode()
    if is_accepted:
        assert read_metrics(payload) == (cpu_ms, memory_kb)
    else:
        with pytest.raises(Forged):
            read_metrics(payload)


def test_the_bounds_of_figures() -> None:
    assert (MAX_CPU_MS, MAX_MEMORY_KB, MAX_PROBLEMS) == (1_000_000_000, 1_099_511_627_776, 1_000)
    assert (protocol.MAX_JOB_BYTES, protocol.MAX_CODE_BYTES, protocol.SLACK_BYTES) == (16_777_216, 262_144, 65_536)


@pytest.mark.parametrize(
    ("depth", "is_accepted"), [(1, True), (protocol.MAX_RESULT_DEPTH, True), (protocol.MAX_RESULT_DEPTH + 1, False)]
)
def test_a_result_has_a_depth(depth: int, is_accepted: bool) -> None:
    assert protocol.MAX_RESULT_DEPTH == 500
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        payload = (opening * depth + "1" + closing * depth).encode()
        if is_accepted:
            check_result(payload)
        else:
            with pytest.raises(Forged):
                check_result(payload)
    check_result(b"[" + b",".join([b"[[]]"] * 600) + b"]")  # many brackets, and no depth


@pytest.mark.parametrize("payload", [b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b'"\xff"', b"1 2", b""])
def test_a_result_is_strict_json(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        check_result(payload)


def test_an_escape_of_a_whole_character_is_no_half() -> None:
    check_result(b'"\\ud83d\\ude00 \\u00e9"')


FAILURE = {"type": "ValueError", "message": "no", "line": 3, "traceback": "at", "permanent": False}


def failure_with(**changes: object) -> Failure:
    return read_failure(json.dumps({**FAILURE, **changes}).encode())


def test_a_failure_is_read_with_every_field() -> None:
    assert failure_with() == Failure("ValueError", "no", 3, "at", False)
    assert failure_with(line=None, traceback=None, permanent=True) == Failure("ValueError", "no", None, None, True)
    assert failure_with(line=0).line is None, "the compiler knew no line"
    for reserved in ("WorkerLostError", "CpuLimitError"):
        assert failure_with(type=reserved).type == f"task.{reserved}"


def test_texts_of_a_failure_are_bounded() -> None:
    whole = failure_with(message="m" * 4_001, traceback="t" * 16_001, type="T" * 200)
    assert (len(whole.message), len(whole.traceback or ""), len(whole.type)) == (4_000, 16_000, 200)
    assert failure_with(message="a\ud800").message == "a?"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "T" * 201},
        {"type": "a b"},
        {"type": None},
        {"message": None},
        {"traceback": 1},
        {"line": -1},
        {"line": True},
        {"line": 1.0},
        {"line": protocol.MAX_JOB_BYTES + 1},
        {"permanent": 1},
        {"more": 1},
    ],
)
def test_a_failure_of_another_form_is_forged(change: dict[str, object]) -> None:
    with pytest.raises(Forged):
        failure_with(**change)


def test_lines_are_counted_from_one_to_the_most_bytes_of_a_job() -> None:
    for line in (1, protocol.MAX_JOB_BYTES):
        assert failure_with(line=line).line == line


def test_problems_are_read_up_to_a_bound() -> None:
    problem = {"type": "SyntaxError", "message": "m" * 4_001, "line": 2, "column": 5}
    found = read_problems(json.dumps([problem] * 1_001).encode())
    assert len(found) == 1_000
    assert found[0] == Problem("SyntaxError", "m" * 4_000, 2, 5)


@pytest.mark.parametrize("type_", ["SyntaxError", "SecurityError", "NameError", "TypeError"])
def test_what_a_check_may_find(type_: str) -> None:
    found = [{"type": type_, "message": "m", "line": None, "column": 0}]
    assert read_problems(json.dumps(found).encode()) == [Problem(type_, "m", None, None)]


@pytest.mark.parametrize("found", [{}, [[]], [{"type": "ValueError", "message": "", "line": 1, "column": 1}], [{}], 1])
def test_problems_of_another_form_are_forged(found: object) -> None:
    with pytest.raises(Forged):
        read_problems(json.dumps(found).encode())
