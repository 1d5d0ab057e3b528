"""`python -m benchmarks soak --minutes N`: run the service for a while, and tell what grows."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.made import SIGNING
from benchmarks.processes import ROOT, folder, server
from benchmarks.service import whole_service
from benchmarks.soak import report
from benchmarks.soak.load import load
from benchmarks.soak.samples import Sampler
from benchmarks.soak.trend import BLOCKS
from benchmarks.target import target

RESULTS = ROOT / "benchmarks" / "results"
#: A shorter run proves nothing, and is written elsewhere.
LEAST_MINUTES = 10.0
WARM_UP_SHARE, MOST_WARM_UP_SECONDS = 0.25, 600.0
MOST_SAMPLE_SECONDS = 10.0
SAMPLES_PER_BLOCK = 2
KEPT_SECONDS = 60
#: Each API process keeps the checks of 1,024 programs, and a worker the code of as many.
NEW_PROGRAMS = 4_000


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit status: 1 if a figure grows or a call failed."""
    options = _parser().parse_args(arguments)
    console = Console()
    result = run(options.minutes * 60, options.rate, console)
    where = options.output or (RESULTS if options.minutes >= LEAST_MINUTES else RESULTS / "quick")
    report.write(result, where)
    _print(console, result)
    console.print(f"written to {where}")
    return 1 if report.growing(result) or result["errors"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description="Does anything grow?")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long, with the warm-up (default: 30)")
    parser.add_argument("--rate", type=float, default=10.0, help="orders per second (default: 10)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=f"where results go; default {RESULTS}")
    return parser


def run(
    seconds: float,
    orders_per_second: float,
    console: Console,
    kept_seconds: float = KEPT_SECONDS,
    new_programs: int = NEW_PROGRAMS,
) -> dict[str, Any]:
    """Run the mix for so long, and return the result. `new_programs`: as for `load`."""
    settings = {
        "RESULT_TTL": str(kept_seconds),
        "DELIVERY_TTL": str(kept_seconds),
        "LOG_TASKS": "failures",
        **SIGNING,
    }
    warm_up_seconds = min(seconds * WARM_UP_SHARE, MOST_WARM_UP_SECONDS)
    every = min(MOST_SAMPLE_SECONDS, (seconds - warm_up_seconds) / BLOCKS / SAMPLES_PER_BLOCK)
    with (
        folder() as path,
        server(path / "redis") as redis_url,
        target() as target_url,
        whole_service(redis_url, path, settings) as started,
        load(started.port, target_url, orders_per_second, new_programs) as tally,
    ):
        samples = _samples(Sampler(started, tally, path), seconds, every, console)
    setup = (
        f"`start.py` with defaults, except that finished tasks and deliveries are kept for {kept_seconds:g} s; "
        f"{orders_per_second:g} orders a second, readers, event streams, and two schedules "
        f"(benchmarks/soak/load.py); a sample every {every:.1f} s."
    )
    return report.result_of(samples, warm_up_seconds, tally, setup)


def _samples(sampler: Sampler, seconds: float, every: float, console: Console) -> list[dict[str, Any]]:
    began = due = time.monotonic()
    samples = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("soak", total=seconds)
        while due - began <= seconds:
            time.sleep(max(0.0, due - time.monotonic()))  # the moment of the next sample is what is waited for
            samples.append(sampler.sample())
            progress.update(bar, completed=due - began)
            due += every
    sampler.close()
    return samples


def _print(console: Console, result: dict[str, Any]) -> None:
    table = Table(title=f"soak: {result['question']}", title_justify="left")
    for heading in report.HEADINGS:
        table.add_column(heading, overflow="fold")
    for cells in report.rows(result):
        table.add_row(*cells, style="red" if cells[-1] == "GROWS" else None)
    console.print(table)
    for error in result["errors"]:
        console.print(error, markup=False, highlight=False)
