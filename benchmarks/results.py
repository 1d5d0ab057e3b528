"""Results as JSON: one document per measurement, complete enough to write every table and plot from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, words
from benchmarks.judgement import Outcome, Verdict
from benchmarks.measurement import Figure, Published, Side
from benchmarks.series import Series

#: A result as it is in its file.
Result = dict[str, Any]


def result_of(outcome: Outcome, is_quick: bool, now: datetime) -> Result:
    """The document of a run that has just ended."""
    measurement = outcome.measurement
    return {
        "name": measurement.name,
        "question": measurement.question,
        "size": "quick" if is_quick else "full",
        "is_headline": measurement.is_headline,
        "measured_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 1),
        "commit": machine.commit(),
        "machine": machine.machine(),
        "versions": {**machine.versions(), "server": machine.redis_server()},
        "sides": [_side(outcome, side) for side in measurement.sides],
        "figures": [_figure(outcome, figure) for figure in measurement.figures],
        "published": [_published(each) for each in measurement.published],
    }


def _side(outcome: Outcome, side: Side[Any]) -> dict[str, Any]:
    name = side.name
    state = "measured"
    if name in outcome.absent:
        state = f"absent: {outcome.absent[name]}"
    if name in outcome.failed:
        state = f"failed: {outcome.failed[name]}"
    return {"name": name, "setup": side.setup, "versions": machine.versions(side.packages), "state": state}


def _figure(outcome: Outcome, figure: Figure) -> dict[str, Any]:
    found = {side.name: outcome.series(figure, side.name) for side in outcome.measurement.sides}
    return {
        "name": figure.name,
        "unit": figure.unit,
        "better": figure.better.value,
        "sides": {name: _series(series, figure.unit) for name, series in found.items() if series is not None},
        "targets": [_target(verdict, figure.unit) for verdict in outcome.verdicts(figure)],
    }


def _series(series: Series, unit: str) -> dict[str, Any]:
    return {
        "median": series.median,
        "low": series.low,
        "high": series.high,
        "spread": round(series.spread, 3),
        "rounds": list(series.values),
        "words": words.spread(series, unit),
    }


def _target(verdict: Verdict, unit: str) -> dict[str, Any]:
    return {
        "target": words.target(verdict.target, unit),
        "baseline": verdict.target.baseline,
        "compared": None if verdict.compared is None else verdict.compared.median,
        "rounds": [] if verdict.compared is None else list(verdict.compared.values),
        "words": words.compared(verdict, unit),
        "holds": verdict.holds,
        "holds_stretch": verdict.holds_stretch,
        "verdict": words.verdict(verdict),
    }


def _published(each: Published) -> dict[str, Any]:
    return {"name": each.name, "value": each.value, "source": each.source}


def write(result: Result, folder: Path) -> None:
    """The document into a folder; an older one of the same measurement is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result['name']}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def read(folder: Path, names: Sequence[str]) -> Iterator[Result]:
    """The results in a folder, in the order of the names; those that were never measured are left out."""
    for name in names:
        path = folder / f"{name}.json"
        if path.exists():
            yield json.loads(path.read_text())
