"""The table of results, for the terminal and for Markdown. Pure: it knows results only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import words
from benchmarks.results import Result

HEADINGS = ("measurement", "ours", "beside it", "target", "reached", "holds")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: a figure of a measurement, and one target or baseline of it."""

    measurement: str
    ours: str
    beside: str
    target: str
    reached: str
    verdict: str

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of HEADINGS."""
        return (self.measurement, self.ours, self.beside, self.target, self.reached, self.verdict)


def lines(result: Result) -> Iterator[Line]:
    """All lines of a result."""
    for figure in result["figures"]:
        yield from _lines_of(result, figure)
    for published in result["published"]:
        figure = result["figures"][-1]
        value = words.with_unit(published["value"], figure["unit"])
        yield Line("", "", f"{published['name']}: {value}", "", f"published: {published['source']}", "not compared")


def _lines_of(result: Result, figure: dict[str, Any]) -> Iterator[Line]:
    ours, *baselines = result["sides"]
    label = " · ".join(word for word in (result["name"], figure["name"]) if word)
    own = _value(figure, ours)
    shown = set()
    for target in figure["targets"]:
        beside = ""
        if target["baseline"]:
            side = next(side for side in baselines if side["name"] == target["baseline"])
            beside = f"{side['name']}: {_value(figure, side)}"
            shown.add(side["name"])
        yield Line(label, own, beside, target["target"], target["words"], target["verdict"])
        label = own = ""
    for side in baselines:
        if side["name"] not in shown and (side["name"] in figure["sides"] or side["state"] != "measured"):
            yield Line(label, own, f"{side['name']}: {_value(figure, side)}", "", _ratio(figure, ours, side), "")
            label = own = ""
    if label:
        yield Line(label, own, "", "", "", "")


def _value(figure: dict[str, Any], side: dict[str, Any]) -> str:
    found = figure["sides"].get(side["name"])
    if found is None:
        return "–" if side["state"] == "measured" else str(side["state"])
    return str(found["words"])


def _ratio(figure: dict[str, Any], ours: dict[str, Any], side: dict[str, Any]) -> str:
    values = [figure["sides"].get(each["name"]) for each in (ours, side)]
    if None in values or values[1]["median"] == 0:
        return ""
    return f"{words.number(values[0]['median'] / values[1]['median'])}×"


def markdown(all_lines: Sequence[Line]) -> str:
    """A table in Markdown."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(line.cells for line in all_lines)]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)


def setups(all_results: Sequence[Result]) -> Iterator[str]:
    """What each measurement asks, and what exactly runs on each side, as items of a Markdown list."""
    for result in all_results:
        yield f"- **{result['name']}**: {result['question']}"
        for side in result["sides"]:
            versions = ", ".join(f"{name} {version}" for name, version in side["versions"].items())
            yield f"  - {side['name']}: {side['setup']}{f' ({versions})' if versions else ''}"
