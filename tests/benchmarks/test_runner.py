"""How a measurement is run: order of the sides, warm-up, absent and failing sides."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator

import pytest

from benchmarks.measurement import Better, Figure, Found, Measurement, Round, Side, SideAbsent
from benchmarks.runner import run, steps, turns


def side(name: str, figures: Iterator[Found], log: list[str]) -> Side[int]:
    """A side that writes down when it starts, runs and ends, and finds these figures."""

    @contextlib.contextmanager
    def start(size: int) -> Iterator[Round]:
        log.append(f"start {name} {size}")

        def measure() -> Found:
            log.append(name)
            return next(figures)

        yield measure
        log.append(f"end {name}")

    return Side(name, "", start)


def measurement(ours: Side[int], *baselines: Side[int], rounds: int = 3) -> Measurement[int]:
    figures = (Figure("ms", Better.LOWER),)
    return Measurement("row", "How long?", figures, ours, baselines, full=10, quick=1, rounds=rounds)


def test_each_round_begins_with_the_next_side() -> None:
    assert turns(["a", "b", "c"], 4) == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_all_sides_are_up_while_rounds_are_interleaved_after_a_warm_up() -> None:
    log: list[str] = []
    row = measurement(side("a", iter([9.0, 1.0, 2.0]), log), side("b", iter([9.0, 3.0, 4.0]), log), rounds=2)
    outcome = run(row, is_quick=False, progress=lambda text: None)
    assert sorted(log[:2]) == ["start a 10", "start b 10"]  # at the same time
    assert log[2:] == ["a", "b", "a", "b", "b", "a", "end b", "end a"]
    assert {name: found.values for name, found in outcome.rounds[""].items()} == {"a": (1.0, 2.0), "b": (3.0, 4.0)}


def test_the_threads_that_started_the_sides_live_as_long_as_they() -> None:
    """Else the servers that they have started end with them (PR_SET_PDEATHSIG)."""

    @contextlib.contextmanager
    def start(size: int) -> Iterator[Round]:
        thread = threading.current_thread()
        yield lambda: float(thread.is_alive())

    outcome = run(measurement(Side("a", "", start)), is_quick=True, progress=lambda text: None)
    assert outcome.rounds[""]["a"].values == (1.0, 1.0)


def test_a_quick_run_starts_the_sides_with_the_quick_size_for_two_rounds() -> None:
    log: list[str] = []
    run(measurement(side("a", itertools.repeat(1.0), log), rounds=5), is_quick=True, progress=lambda text: None)
    assert log == ["start a 1", "a", "a", "a", "end a"]  # warmed up, and two rounds


def test_progress_is_told_as_often_as_announced() -> None:
    row = measurement(side("a", itertools.repeat(1.0), []), side("b", itertools.repeat(1.0), []))
    told: list[str] = []
    run(row, is_quick=True, progress=told.append)
    assert len(told) == steps(row, is_quick=True)
    assert told[0] == "row: starting a"
    assert told[-1] in ("row: a, round 2 of 2", "row: b, round 2 of 2")


def absent(size: int) -> contextlib.AbstractContextManager[Round]:
    raise SideAbsent("pip install it")


def failing(size: int) -> contextlib.AbstractContextManager[Round]:
    raise OSError("no such program")


@pytest.mark.parametrize(
    ("start", "found_absent", "found_failed"),
    [(absent, {"b": "pip install it"}, {}), (failing, {}, {"b": "OSError: no such program"})],
)
def test_a_baseline_that_can_not_run_costs_its_own_figures_only(
    start: object, found_absent: dict[str, str], found_failed: dict[str, str]
) -> None:
    row = measurement(side("a", itertools.repeat(1.0), []), Side("b", "", start))  # type: ignore[arg-type]
    outcome = run(row, is_quick=True, progress=lambda text: None)
    assert (outcome.absent, outcome.failed) == (found_absent, found_failed)
    assert set(outcome.rounds[""]) == {"a"}


def test_a_side_that_fails_in_a_round_has_no_figures_at_all() -> None:
    def figures() -> Iterator[Found]:
        yield from (1.0, 2.0)
        raise RuntimeError("the third round")

    outcome = run(measurement(side("a", figures(), [])), is_quick=True, progress=lambda text: None)
    assert outcome.failed == {"a": "RuntimeError: the third round"}
    assert outcome.rounds == {"": {}}


def test_a_side_may_lack_a_figure_that_others_have() -> None:
    figures = (Figure("ms", Better.LOWER, name="p50"), Figure("MB", Better.LOWER, name="memory"))
    full, less = itertools.repeat({"p50": 1.0, "memory": 2.0}), itertools.repeat({"p50": 3.0})
    row = Measurement("row", "How?", figures, side("a", full, []), (side("b", less, []),), full=1, quick=1)
    outcome = run(row, is_quick=True, progress=lambda text: None)
    assert {name: sorted(found) for name, found in outcome.rounds.items()} == {"p50": ["a", "b"], "memory": ["a"]}
