"""The kernel's filter, run step by step here: it decides each call as the tables say, on every machine it is written for."""

from __future__ import annotations

import struct

import pytest

from sandbox.inside import seccomp

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
KILL, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050001
PROT_EXEC = 4
#: Numbers beyond every table: the x32 calls of x86-64 begin at 1 << 30.
BEYOND = [1 << 30, (1 << 30) + 39, 1 << 31, (1 << 32) - 1]


def _decision(program: bytes, architecture: int, number: int, third_argument: int) -> int:
    """What the filter returns for a call, by the few instructions that it uses."""
    instructions: list[tuple[int, int, int, int]] = list(struct.iter_unpack("HBBI", program))
    loaded = {0: number, 4: architecture, 32: third_argument}
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            accumulator = loaded[value]
            continue
        holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
        at += if_true if holds else if_false


def _expected(column: int, number: int, third_argument: int) -> int:
    if number in [numbers[column] for numbers in seccomp.ALLOWED.values()]:
        return ALLOW
    if number in [numbers[column] for numbers in seccomp.REFUSED.values()]:
        return REFUSE
    if number in [numbers[column] for numbers in seccomp.NOT_EXECUTABLE.values()]:
        return KILL if third_argument & PROT_EXEC else ALLOW
    return KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_is_decided_as_the_tables_say(machine: str) -> None:
    column, architecture = MACHINES[machine]
    program = seccomp.program(machine)
    for number in [*range(1024), *BEYOND]:
        for protection in (0, 3, PROT_EXEC, 7):
            assert _decision(program, architecture, number, protection) == _expected(column, number, protection), number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_kill(machine: str) -> None:
    program = seccomp.program(machine)
    for number in range(1024):
        assert _decision(program, 0x40000003, number, 0) == KILL


def test_a_machine_whose_numbers_are_not_known_has_no_filter() -> None:
    with pytest.raises(NotImplementedError, match="riscv64"):
        seccomp.program("riscv64")
