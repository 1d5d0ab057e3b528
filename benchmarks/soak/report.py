"""The result of a soak: a JSON document, a plot of every figure, and a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks import machine, words
from benchmarks.plot import MARGIN, STYLE
from benchmarks.soak.load import Tally
from benchmarks.soak.samples import sort_of
from benchmarks.soak.trend import SECONDS_PER_HOUR, Trend, Verdict, fit

NAME = "soak"
WIDTH, ROW, LABELS, CHART, NUMBERS = 900, 46, 170, 360, 330
STROKES = (
    ".line { fill: none; stroke: #59636e } .fit { fill: none; stroke: #0969da; stroke-width: 2 } .bad { fill: #cf222e }"
)
HEADINGS = ("figure", "mean", "growth in an hour (95 % interval)", "counts as flat up to", "verdict")


def result_of(samples: Sequence[Mapping[str, Any]], warm_up_seconds: float, tally: Tally, setup: str) -> dict[str, Any]:
    """The document of a run."""
    names = sorted({name for sample in samples for name in sample["figures"]})
    judged = {name: _judged(samples, name, warm_up_seconds) for name in names}
    return {
        "name": NAME,
        "question": "Does anything grow while the service runs a steady mix of work?",
        "setup": setup,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(samples[-1]["seconds"], 1),
        "warm_up_seconds": warm_up_seconds,
        "commit": machine.commit(),
        "machine": machine.machine(),
        "versions": {**machine.versions(), "server": machine.redis_server()},
        "calls": dict(sorted(tally.counts.items())),
        "errors": tally.errors,
        "figures": {name: found for name, found in judged.items() if found is not None},
        "families": {"first": _families(samples, warm_up_seconds), "last": samples[-1]["families"]},
        "samples": [{"seconds": round(each["seconds"], 1), "figures": _rounded(each["figures"])} for each in samples],
    }


def _judged(samples: Sequence[Mapping[str, Any]], name: str, warm_up_seconds: float) -> dict[str, Any] | None:
    """What the samples of a figure say; None if there are too few."""
    points = [
        (sample["seconds"], sample["figures"][name])
        for sample in samples
        if sample["seconds"] >= warm_up_seconds and name in sample["figures"]
    ]
    try:
        trend = fit(points)
    except ValueError:
        return None
    sort = sort_of(name)
    allowed = max(abs(trend.mean) * sort.allowed_share, sort.allowed_least)
    return {
        "unit": sort.unit,
        "mean": trend.mean,
        "at_start": trend.at_start,
        "per_hour": trend.per_hour,
        "low": trend.low,
        "high": trend.high,
        "allowed_per_hour": allowed,
        "verdict": str(trend.verdict(allowed)),
        "words": _words(trend, sort.unit),
    }


def _words(trend: Trend, unit: str) -> str:
    growth, low, high = (words.number(each) for each in (trend.per_hour, trend.low, trend.high))
    return f"{growth} ({low} to {high}) {unit}".rstrip()


def _families(samples: Sequence[Mapping[str, Any]], warm_up_seconds: float) -> dict[str, int]:
    return next(sample["families"] for sample in samples if sample["seconds"] >= warm_up_seconds)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in sorted(figures.items())}


def growing(result: Mapping[str, Any]) -> list[str]:
    """The figures that grow."""
    return [name for name, found in result["figures"].items() if found["verdict"] == Verdict.GROWS]


def rows(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The cells of each figure, in the order of HEADINGS."""
    for name, found in result["figures"].items():
        mean, allowed = (words.with_unit(found[key], found["unit"]) for key in ("mean", "allowed_per_hour"))
        yield name, mean, found["words"], allowed, found["verdict"]


def markdown(result: Mapping[str, Any]) -> str:
    """The table in Markdown, with where it comes from."""
    found, minutes = result["machine"], result["seconds"] / 60
    lines = [
        f"Measured on {result['measured_at'][:10]} at commit {result['commit']}: {minutes:.0f} minutes, of which "
        f"the first {result['warm_up_seconds'] / 60:.0f} are warm-up; {sum(result['calls'].values()):,} calls, "
        f"{result['calls'].get('errors', 0)} errors; {found['cores']} cores ({found['processor']}), load before: "
        f"{found['load_before']:g}; {result['versions']['server']}.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
        *(f"| {' | '.join(cells)} |" for cells in rows(result)),
    ]
    return "\n".join(lines)


def write(result: Mapping[str, Any], folder: Path) -> None:
    """The document, its plot and its table into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    (folder / f"{NAME}.svg").write_text(plot(result))
    (folder / f"{NAME}.md").write_text(
        f"# Soak\n\n{result['setup']}\n\n{markdown(result)}\n\n![The figures]({NAME}.svg)\n"
    )


def plot(result: Mapping[str, Any]) -> str:
    """A strip for each figure: its samples, the line through them, its growth and the verdict."""
    figures = result["figures"]
    height = MARGIN * 2 + 50 + ROW * len(figures)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" width="{WIDTH}" '
        f'height="{height}">',
        f"<title>{escape(result['question'])}</title>",
        f"<style>{STYLE}{STROKES}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text(MARGIN, 34, "text title", result["question"]),
        _text(MARGIN, 54, "soft", f"{result['seconds'] / 60:.0f} minutes; each scale begins at 0; growth in an hour"),
    ]
    for number, name in enumerate(figures):
        parts += _strip(result, name, 70 + ROW * number)
    return "\n".join([*parts, "</svg>", ""])


def _strip(result: Mapping[str, Any], name: str, top: int) -> Iterator[str]:
    found = result["figures"][name]
    points = [(each["seconds"], each["figures"][name]) for each in result["samples"] if name in each["figures"]]
    most = max(value for _, value in points) or 1.0
    left, tall = MARGIN + LABELS, ROW - 10

    def at(seconds: float, value: float) -> str:
        return f"{left + CHART * seconds / result['seconds']:.1f} {top + tall * (1 - max(0.0, value) / most):.1f}"

    begin, end = result["warm_up_seconds"], result["seconds"]
    last = found["at_start"] + found["per_hour"] * (end - begin) / SECONDS_PER_HOUR
    style = "bad" if found["verdict"] == Verdict.GROWS else "soft"
    yield _text(left - 8, top + 22, "text", name, anchor="end")
    yield f'<path class="line" d="M{" L".join(at(*point) for point in points)}"/>'
    yield f'<path class="fit" d="M{at(begin, found["at_start"])} L{at(end, last)}"/>'
    yield _text(left + CHART + 10, top + 14, "text", words.with_unit(found["mean"], found["unit"]))
    yield _text(left + CHART + 10, top + 32, style, f"{found['words']}: {found['verdict']}")


def _text(x: float, y: float, style: str, text: str, *, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
