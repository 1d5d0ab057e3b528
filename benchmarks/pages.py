"""The pages that quote results: `results/README.md`, and the marked parts of both READMEs and docs/performance.md.

Every figure in them comes from a JSON file in the folder of results; nobody types one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks import catalogue, plot, table
from benchmarks.processes import ROOT
from benchmarks.results import Result, read

READMES = ROOT / "README.md", ROOT / "README.zh-CN.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
OVERVIEW = "headlines.svg"
NOTHING_YET = "*No full run has been recorded yet: `python -m benchmarks` writes this part.*"


def write(folder: Path, *, update_docs: bool) -> None:
    """Write the folder's page, and the parts of the docs if they are to quote this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    results = list(read(folder, list(catalogue.measurements())))
    (folder / "README.md").write_text(whole(results))
    if chosen := headlines(results):
        (folder / OVERVIEW).write_text(plot.overview(chosen))
    if update_docs:
        parts = {**dict.fromkeys(READMES, short(results)), PERFORMANCE: long(results)}
        for path, part in parts.items():
            path.write_text(with_part(path.read_text(), part))


def with_part(text: str, part: str) -> str:
    """A page with what stands between its marks replaced. Raises ValueError if it has no marks."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the page has no part between {BEGIN} and {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{part}\n{END}", text)


def whole(results: Sequence[Result]) -> str:
    """The page of a folder of results."""
    plots = "\n\n".join(_plots(results, "."))
    return f"# Results\n\n{tables(results)}\n\n## What runs on each side\n\n{setups(results)}\n\n## Plots\n\n{plots}\n"


def tables(results: Sequence[Result]) -> str:
    """Where the figures come from, and all of them."""
    if not results:
        return NOTHING_YET
    return f"{_origins(results)}\n\n{table.markdown([line for result in results for line in table.lines(result)])}"


def headlines(results: Sequence[Result]) -> list[Result]:
    """The rows that stand in the README."""
    return [result for result in results if result["is_headline"]]


def short(results: Sequence[Result]) -> str:
    """The rows that stand in the README: all in one plot, and their table."""
    chosen = headlines(results)
    plots = [f"![Celeriac beside its baselines](benchmarks/results/{OVERVIEW})"] if chosen else []
    return "\n\n".join([*plots, tables([judged(result) for result in chosen])])


def judged(result: Result) -> Result:
    """A result with those of its figures only that have a target, or stand beside published ones."""
    last = result["figures"][-1:] if result["published"] else []
    figures = [figure for figure in result["figures"] if figure["targets"] or figure in last]
    return {**result, "figures": figures}


def long(results: Sequence[Result]) -> str:
    """All rows, and the plots of those that stand in the README."""
    return "\n\n".join([*_plots(headlines(results), "../benchmarks/results"), tables(results)])


def _plots(results: Sequence[Result], folder: str) -> list[str]:
    return [f"![{result['question']}]({folder}/{result['name']}.svg)" for result in results]


def setups(results: Sequence[Result]) -> str:
    """What each row asks, and what runs on each of its sides."""
    return "\n".join(table.setups(results))


def _origins(results: Sequence[Result]) -> str:
    """When and where the results were measured: a sentence for each day and machine."""
    commits: dict[tuple[str, str], set[str]] = {}
    for result in results:
        commits.setdefault(_origin(result), set()).add(result["commit"] or "unknown")
    return "\n\n".join(f"{when} at {_commits(names)}: {where}" for (when, where), names in sorted(commits.items()))


def _origin(result: Result) -> tuple[str, str]:
    machine = result["machine"]
    size = "A quick run" if result["size"] == "quick" else "Measured"
    return (
        f"{size} on {result['measured_at'][:10]}",
        f"{machine['cores']} cores ({machine['processor']}), {machine['system']}, Python {machine['python']}, "
        f"{result['versions']['server']}. Medians of the rounds; lowest and highest round in brackets.",
    )


def _commits(names: set[str]) -> str:
    *others, last = sorted(names)
    return f"commits {', '.join(others)} and {last}" if others else f"commit {last}"
