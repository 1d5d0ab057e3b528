"""Bars as SVG: the median of each side, and a line from its lowest to its highest round. Pure.

Text stays text, colours follow the reader's scheme (light or dark), and the ground is opaque, so that a plot is
legible wherever a page shows it. A library would bring more than these hundred lines, and scripts with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from benchmarks import words
from benchmarks.results import Result

WIDTH = 760
MARGIN = 20
LABELS = 210
BARS = 290
ROW = 26
BAR = 16
HEADING = 30
CHARACTERS_PER_LINE = 86

STYLE = """
.ground { fill: #ffffff; stroke: #d0d7de } .text { fill: #1f2328 } .soft { fill: #59636e }
.ours { fill: #0969da } .theirs { fill: #8c959f } .published { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
.reach { stroke: #1f2328 }
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif } .title { font-size: 15px; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; stroke: #3d444d } .text { fill: #f0f6fc } .soft { fill: #9198a1 }
  .ours { fill: #4493f8 } .theirs { fill: #656c76 } .published { stroke: #656c76 } .reach { stroke: #f0f6fc }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One side of one figure."""

    label: str
    style: str  # ours, theirs or published
    value: float
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class Group:
    """The bars of one figure, which share a scale."""

    heading: str
    bars: Sequence[Bar]


def plot(result: Result) -> str:
    """The SVG of a result."""
    better = {figure["better"] for figure in result["figures"]}
    note = f"{better.pop()} is better; " if len(better) == 1 else ""
    rounds = _rounds(result)
    note += "one round" if rounds == 1 else f"median of {rounds} rounds, line: lowest to highest round"
    return drawing(result["question"], note, [_group(result, figure) for figure in result["figures"]])


def overview(results: Sequence[Result]) -> str:
    """The SVG of the first figure of each result."""
    groups = []
    for result in results:
        figure = result["figures"][0]
        name = ": ".join(word for word in (result["name"], figure["name"]) if word)
        groups.append(Group(f"{name} ({figure['better']} is better)", _group(result, figure).bars))
    return drawing("Celeriac beside its baselines", "medians of all rounds, line: lowest to highest round", groups)


def _rounds(result: Result) -> int:
    return max((len(side["rounds"]) for figure in result["figures"] for side in figure["sides"].values()), default=0)


def _group(result: Result, figure: dict[str, Any]) -> Group:
    ours = result["sides"][0]["name"]
    bars = [
        Bar(name, "ours" if name == ours else "theirs", found["median"], found["low"], found["high"], found["words"])
        for name, found in figure["sides"].items()
    ]
    if figure is result["figures"][-1]:
        bars += [_published(each, figure["unit"]) for each in result["published"]]
    return Group(figure["name"], bars)


def _published(each: dict[str, Any], unit: str) -> Bar:
    value = each["value"]
    text = f"{words.with_unit(value, unit)}, published"
    return Bar(each["name"], "published", value, value, value, text)


def drawing(title: str, note: str, groups: Sequence[Group]) -> str:
    """The SVG of groups of bars."""
    title_lines = list(_wrapped(title))
    top = MARGIN + 14
    parts = [_text(MARGIN, top + 20 * number, "text title", line) for number, line in enumerate(title_lines)]
    y = top + 20 * len(title_lines)
    parts.append(_text(MARGIN, y, "soft", note))
    y += 16
    for group in groups:
        if group.heading:
            parts.append(_text(MARGIN, y + 18, "text", group.heading))
            y += HEADING
        parts += _bars(group, y)
        y += ROW * len(group.bars) + 6
    height = y + MARGIN - 6
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'width="{WIDTH}" height="{height}">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _bars(group: Group, top: int) -> Iterator[str]:
    most = max((bar.high for bar in group.bars), default=0) or 1
    for number, bar in enumerate(group.bars):
        y = top + ROW * number
        middle, left = y + BAR / 2, MARGIN + LABELS
        width, low, high = (BARS * max(0.0, value) / most for value in (bar.value, bar.low, bar.high))
        yield _text(left - 8, y + 13, "text", bar.label, anchor="end")
        yield f'<rect class="{bar.style}" x="{left}" y="{y}" width="{max(width, 1):.1f}" height="{BAR}" rx="2"/>'
        if high > low:
            yield f'<path class="reach" d="M{left + low:.1f} {middle}H{left + high:.1f}"/>'
        yield _text(left + max(width, high) + 8, y + 13, "soft", bar.words)


def _text(x: float, y: float, style: str, words: str, *, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= CHARACTERS_PER_LINE:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line
