"""Runs a measurement: starts all its sides, warms them up, and lets them take turns, round by round.

In a round each side runs once, and each round begins with another side, so that what disturbs the machine for a while
meets all sides alike. A side that is absent or fails costs its own figures only.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from benchmarks.judgement import Outcome
from benchmarks.measurement import Found, Measurement, Round, Side, SideAbsent
from benchmarks.series import Series

T = TypeVar("T")
Progress = Callable[[str], None]


def turns(sides: Sequence[T], rounds: int) -> list[list[T]]:
    """The order of the sides in each round: every round begins with the next one."""
    return [[*sides[start:], *sides[:start]] for start in (number % len(sides) for number in range(rounds))]


def steps(measurement: Measurement[Any], is_quick: bool) -> int:
    """How often `run` calls `progress`: once for each start of a side and each round of one."""
    return len(measurement.sides) * (1 + measurement.warm_up_rounds + measurement.rounds_of(is_quick))


def run(measurement: Measurement[Any], is_quick: bool, progress: Progress) -> Outcome:
    """Run all rounds. `progress` is told what comes next."""
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        current = _Run(measurement)
        current.start(stack, measurement.quick if is_quick else measurement.full, progress)
        current.take_turns(measurement.warm_up_rounds, progress, is_warm_up=True)
        current.take_turns(measurement.rounds_of(is_quick), progress)
    return Outcome(measurement, current.rounds(), current.absent, current.failed, time.perf_counter() - began)


class _Run:
    """The sides that are still in it, and what they have found."""

    def __init__(self, measurement: Measurement[Any]) -> None:
        self.absent: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self._measurement = measurement
        self._found: dict[str, list[Mapping[str, float]]] = {}
        self._started: dict[str, Round] = {}

    def start(self, stack: contextlib.ExitStack, size: object, progress: Progress) -> None:
        """Start all sides at the same time: nothing is measured yet.

        The threads live as long as the sides: Linux can end a process with the thread that started it.
        """
        sides = self._measurement.sides
        threads = stack.enter_context(ThreadPoolExecutor(len(sides)))
        starts = [threads.submit(_entered, side, size) for side in sides]
        for side, start in zip(sides, starts, strict=True):
            progress(f"{self._measurement.name}: starting {side.name}")
            try:
                context, self._started[side.name] = start.result()
            except SideAbsent as lack:
                self.absent[side.name] = str(lack)
            except Exception as error:  # told in the table and the exit status
                self._fail(side.name, error)
            else:
                stack.push(context)

    def take_turns(self, rounds: int, progress: Progress, *, is_warm_up: bool = False) -> None:
        for number, order in enumerate(turns(self._measurement.sides, rounds), start=1):
            for side in order:
                word = "warm-up" if is_warm_up else f"round {number} of {rounds}"
                progress(f"{self._measurement.name}: {side.name}, {word}")
                if side.name in self._started:
                    self._take_turn(side.name, is_warm_up=is_warm_up)

    def _take_turn(self, name: str, *, is_warm_up: bool) -> None:
        try:
            found = _named(self._started[name]())
        except Exception as error:  # told in the table and the exit status
            self._fail(name, error)
            return
        if not is_warm_up:
            self._found.setdefault(name, []).append(found)

    def _fail(self, name: str, error: Exception) -> None:
        self.failed[name] = f"{type(error).__name__}: {error}"
        self._started.pop(name, None)
        self._found.pop(name, None)

    def rounds(self) -> dict[str, dict[str, Series]]:
        """Figure's name -> side's name -> its rounds. A side need not have every figure."""
        return {
            figure.name: {
                name: Series(tuple(found[figure.name] for found in all_found))
                for name, all_found in self._found.items()
                if all(figure.name in found for found in all_found)
            }
            for figure in self._measurement.figures
        }


def _entered(side: Side[Any], size: object) -> tuple[AbstractContextManager[Round], Round]:
    context = side.start(size)
    return context, context.__enter__()


def _named(found: Found) -> Mapping[str, float]:
    return found if isinstance(found, Mapping) else {"": float(found)}
