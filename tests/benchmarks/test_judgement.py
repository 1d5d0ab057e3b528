"""Medians, spreads, ratios and verdicts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks import series, words
from benchmarks.judgement import Outcome, Verdict
from benchmarks.measurement import Better, By, Figure, Measurement, Side, Target, at_least, at_most
from benchmarks.series import Series, percentile


def test_a_series_has_a_median_and_a_spread() -> None:
    found = Series((4.0, 1.0, 2.0, 3.0, 10.0))
    assert (found.median, found.low, found.high, found.spread) == (3.0, 1.0, 10.0, 3.0)


def test_a_series_around_zero_has_no_spread() -> None:
    assert Series((0.0, 0.0)).spread == 0.0


def test_ratios_and_excesses_are_taken_round_by_round() -> None:
    ours, theirs = Series((2.0, 4.0, 9.0)), Series((1.0, 4.0, 3.0))
    assert series.ratio(ours, theirs).values == (2.0, 1.0, 3.0)
    assert series.excess(ours, theirs).values == (1.0, 0.0, 6.0)


def test_a_ratio_to_nothing_is_infinite() -> None:
    assert series.ratio(Series((1.0, 0.0)), Series((0.0, 0.0))).values == (math.inf, 1.0)


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)],
)
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value


def outcome(figure: Figure, ours: Series | None, theirs: Series | None) -> Outcome:
    sides: list[Side[Any]] = [Side(name, "", None) for name in ("ours", "theirs")]  # type: ignore[arg-type]
    row = Measurement("row", "How?", (figure,), sides[0], sides[1:], full=1, quick=1)
    found = {"ours": ours, "theirs": theirs}
    rounds = {name: each for name, each in found.items() if each is not None}
    return Outcome(row, {figure.name: rounds}, {}, {}, 1.0)


OURS, THEIRS = Series((10.0, 20.0, 30.0)), Series((10.0, 40.0, 20.0))


@pytest.mark.parametrize(
    ("target", "holds", "stretched", "compared"),
    [
        (at_most(20.0), True, None, "20 ms"),
        (at_most(19.9), False, None, "20 ms"),
        (at_least(20.0), True, None, "20 ms"),
        (at_least(0.9, "theirs"), True, None, "1×"),  # 1.0, 0.5 and 1.5
        (at_least(1.1, "theirs", stretch=2.0), False, False, "1×"),
        (at_least(0.5, "theirs", stretch=0.9), True, True, "1×"),
        (at_most(0.0, "theirs", By.EXCESS), True, None, "+0 ms"),  # 0, -20 and 10
        (at_least(1.0, "theirs", By.SAVING), True, None, "1×"),  # 1.0, 2.0 and 0.67
    ],
)
def test_a_target_is_judged_by_the_median(target: Target, holds: bool, stretched: bool | None, compared: str) -> None:
    figure = Figure("ms", Better.LOWER, (target,))
    (verdict,) = outcome(figure, OURS, THEIRS).verdicts(figure)
    assert (verdict.holds, verdict.holds_stretch) == (holds, stretched)
    assert words.compared(verdict, "ms") == compared


@pytest.mark.parametrize(("ours", "theirs"), [(OURS, None), (None, THEIRS)])
def test_without_one_of_the_sides_nothing_holds_and_nothing_is_missed(
    ours: Series | None, theirs: Series | None
) -> None:
    figure = Figure("ms", Better.LOWER, (at_most(1.0, "theirs"),))
    found = outcome(figure, ours, theirs)
    (verdict,) = found.verdicts(figure)
    assert (verdict.holds, words.verdict(verdict), found.misses) == (None, "not measured", 0)


def test_missed_targets_are_counted() -> None:
    figure = Figure("ms", Better.LOWER, (at_most(1.0), at_most(100.0), at_least(2.0, "theirs")))
    assert outcome(figure, OURS, THEIRS).misses == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (12.0, "12"), (1.234, "1.23"), (0.01234, "0.0123")],
        *[(0, "0"), (math.inf, "∞"), (-2.5, "-2.50")],
    ],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (at_most(5.0), "≤ 5 ms"),
        (at_least(0.5, "bare Celery"), "≥ 0.5× bare Celery"),
        (at_least(6.0, "RQ", stretch=8.0), "≥ 6× RQ (stretch 8)"),
        (at_least(8.0, "a create", By.SAVING), "≥ 8× better than a create"),
        (at_most(5.0, "a sleep", By.EXCESS), "≤ a sleep + 5 ms"),
    ],
)
def test_a_target_in_words(target: Target, text: str) -> None:
    assert words.target(target, "ms") == text


def test_a_verdict_in_a_word() -> None:
    target = at_least(1.0, stretch=2.0)
    found = [Verdict(target, Series((value,))) for value in (0.5, 1.5, 2.5)]
    assert [words.verdict(each) for each in found] == ["MISSED", "holds", "holds, with stretch"]
