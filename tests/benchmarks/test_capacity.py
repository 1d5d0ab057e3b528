"""docs/capacity.md: its figures are those of the last full run, and its arithmetic is right."""

from __future__ import annotations

import json
import re

import pytest

from tests.servers import ROOT

PAGE = (ROOT / "docs" / "capacity.md").read_text()
RESULTS = ROOT / "benchmarks" / "results"
#: The page is written by hand: a new full run may differ by so much before it has to be written anew.
TOLERANCE = 0.25


def median(row: str, figure: str) -> float:
    """Our median of a figure in the last full run."""
    result = json.loads((RESULTS / f"{row}.json").read_text())
    found = next(each for each in result["figures"] if each["name"] == figure)
    return float(found["sides"][result["sides"][0]["name"]]["median"])


@pytest.mark.parametrize(
    ("line", "column", "row", "figure"),
    [
        ("created by a call of its own", 0, "create", "CPU of the API per task"),
        ("created by a call of its own", 2, "create", "CPU of Redis per task"),
        ("created in a batch of 1,000", 0, "creation.batch", ""),
        ("code task: run, with a sandboxed process of its own", 1, "drain", "CPU of workers per task"),
        ("code task: run, with a sandboxed process of its own", 2, "drain", "CPU of Redis per task"),
        ("API task: run, target answers at once", 1, "api_tasks", "CPU of workers per task"),
        ("API task: run, target answers at once", 2, "api_tasks", "CPU of Redis per task"),
    ],
)
def test_a_cost_is_that_of_the_last_full_run(line: str, column: int, row: str, figure: str) -> None:
    cells = re.search(rf"^\| {re.escape(line)} \|(.*)\|", PAGE, re.MULTILINE)
    assert cells is not None
    written = re.match(r"\s*([\d,]+)", cells[1].split("|")[column])
    assert written is not None
    assert float(written[1].replace(",", "")) == pytest.approx(median(row, figure), rel=TOLERANCE)


@pytest.mark.parametrize(
    ("column", "figure"), [(0, "memory"), (1, "append-only file"), (2, "to Redis"), (3, "from Redis")]
)
def test_the_bytes_are_those_of_the_last_full_run(column: int, figure: str) -> None:
    cells = re.search(r"^\| no-op code task \|(.*)\|", PAGE, re.MULTILINE)
    assert cells is not None
    written = float(cells[1].split("|")[column].replace(",", ""))
    assert written == pytest.approx(median("footprint", figure), rel=TOLERANCE)


def test_each_quotient_and_sum_is_right() -> None:
    text = PAGE.replace(",", "").replace("×", "*").replace("**", "")
    found = re.findall(r"([\d.(][\d.()+*/ ]* [+*/] [\d.()+*/ ]*?) = ([\d.]+)", text)
    assert len(found) >= 8
    for sum_, result in found:
        computed = eval(sum_)  # digits, brackets and signs: see the pattern
        assert float(result) == pytest.approx(computed, rel=0.015), sum_


@pytest.mark.parametrize(("place", "per_day"), [(0, 1e4), (1, 1e6), (2, 1e7)])
def test_the_three_sizes_follow_from_the_formulas(place: int, per_day: float) -> None:
    rate = per_day / 86_400 * 4
    lines = {"r × 492 µs": 492e-6, "r × 15.1 ms": 15.1e-3, "r × 298 µs": 298e-6, "r × 404 µs": 404e-4}
    for formula, factor in lines.items():
        cells = re.search(rf"{re.escape(formula)} \|(.*)\|", PAGE)
        assert cells is not None, formula
        written = float(cells[1].split("|")[place].strip().removesuffix(" %"))
        assert written == pytest.approx(rate * factor, rel=0.35, abs=1e-4), formula
