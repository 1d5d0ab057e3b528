"""`python -m benchmarks [NAME …]`: measure these rows, or all, beside their baselines, and write what was found.

`python -m benchmarks soak --minutes N` looks for what grows (benchmarks/soak).

The exit status is 1 if a side failed, not if a target is missed: the table says that.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import pages, plot, results, runner, table, words
from benchmarks.catalogue import NoSuchMeasurement, chosen
from benchmarks.judgement import Outcome
from benchmarks.measurement import Measurement
from benchmarks.processes import ROOT
from benchmarks.soak import command as soak

SOAK = "soak"
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == [SOAK]:
        return soak.main(given[1:])
    parser = _parser()
    options = parser.parse_args(given)
    try:
        rows = chosen([*options.names, *options.only])
    except NoSuchMeasurement as error:
        parser.error(str(error))
    console = Console()
    if options.list:
        _list(console, rows)
        return 0
    folder = options.output or (RESULTS / "quick" if options.quick else RESULTS)
    try:
        outcomes = _run(console, rows, options.quick, folder)
    finally:
        pages.write(folder, update_docs=folder == RESULTS)  # after Ctrl-C, too: some rows have been written
    console.print(f"written to {folder}")
    return _report_failures(console, outcomes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Celeriac on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the same as --only NAME")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a row or a group; repeatable")
    parser.add_argument("--quick", action="store_true", help="a little of everything, within two minutes")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=f"where results go; default {RESULTS}")
    return parser


def _list(console: Console, rows: Sequence[Measurement[Any]]) -> None:
    for row in rows:
        console.print(f"[bold]{row.name}[/]: {row.question}", highlight=False)
        for figure in row.figures:
            targets = "; ".join(words.target(each, figure.unit) for each in figure.targets) or "no target"
            console.print(f"    {figure.name or 'figure'} in {figure.unit}: {targets}", highlight=False, markup=False)
        for side in row.sides:
            console.print(f"    {side.name}: {side.setup}", highlight=False, markup=False)


def _run(console: Console, rows: Sequence[Measurement[Any]], is_quick: bool, folder: Path) -> list[Outcome]:
    outcomes = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("starting", total=sum(runner.steps(row, is_quick) for row in rows))
        for row in rows:
            outcome = runner.run(row, is_quick, lambda text: progress.update(bar, description=text, advance=1))
            result = results.result_of(outcome, is_quick, datetime.now(UTC))
            results.write(result, folder)
            (folder / f"{row.name}.svg").write_text(plot.plot(result))
            outcomes.append(outcome)
            progress.console.print(_table(result))
    return outcomes


def _table(result: results.Result) -> Table:
    shown = Table(title=f"{result['name']}: {result['question']}", title_justify="left", expand=True)
    for heading in table.HEADINGS:
        shown.add_column(heading, overflow="fold")
    for line in table.lines(result):
        style = "red" if line.verdict == "MISSED" else None
        figure, *others = line.cells
        shown.add_row(figure.removeprefix(f"{result['name']} · "), *others, style=style)
    return shown


def _report_failures(console: Console, outcomes: Sequence[Outcome]) -> int:
    for outcome in outcomes:
        for kind, found in (("absent", outcome.absent), ("FAILED", outcome.failed)):
            for side, reason in found.items():
                console.print(f"{outcome.measurement.name}: {side} {kind}: {reason}", markup=False, highlight=False)
    missed = sum(outcome.misses for outcome in outcomes)
    console.print(f"{missed} target{'' if missed == 1 else 's'} missed")
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that all processes are ended
    sys.exit(main())
