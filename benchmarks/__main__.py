"""`python -m benchmarks [NAME …]`: run these benchmarks, or all, in turn, and print what they found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks import (
    api_worker,
    beat,
    bookkeeping,
    bulk,
    creation,
    http_adapter,
    listing,
    memory,
    round_trip,
    sandbox,
    streams,
)

#: name -> what runs it and returns lines to print. Its target, if it has one, is in benchmarks/README.md.
BENCHMARKS: dict[str, Callable[[], Sequence[str]]] = {
    "beat": beat.run,
    "round_trip": round_trip.run,
    "http_adapter": http_adapter.run,
    "api_worker": api_worker.run,
    "sandbox": sandbox.run,
    "bookkeeping": bookkeeping.run,
    "creation": creation.run,
    "listing": listing.run,
    "memory": memory.run,
    "bulk": bulk.run,
    "streams": streams.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Celeriac on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there is {', '.join(BENCHMARKS)}")
    for name in names:
        print(f"== {name}", flush=True)
        for line in BENCHMARKS[name]():
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
