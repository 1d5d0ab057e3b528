"""The worker and the beat of `start.py`: `python -m tasks.celery_roles worker|beat`.

They are what `celery -A celery_app worker` and `celery -A celery_app beat` run. But Celery's command line imports all
of its commands, and the packages of an interactive shell with them: a quarter of a second and 9 MB for each process.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Sequence

from celery_app import celery


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a role until a signal ends it; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.role == "beat":
            return run_beat()
        return run_worker(options.queue, options.name, options.concurrency)
    except KeyboardInterrupt:  # before Celery handles signals
        return 128 + signal.SIGINT


def run_beat() -> int:
    """Celery's beat; the exit status."""
    celery.Beat(quiet=True).run()
    return 0


def run_worker(queue: str | None, name: str, concurrency: int | None) -> int:
    """Celery's worker for one queue, or all; the exit status. `concurrency` None: what the settings say."""
    worker = celery.Worker(
        hostname=f"{name}@{socket.gethostname()}",
        queues=None if queue is None else [queue],
        concurrency=concurrency,
        quiet=True,  # no banner: start.py says what it has started
    )
    worker.start()
    return int(worker.exitcode or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks.celery_roles", description=__doc__)
    parser.add_argument("role", choices=["worker", "beat"])
    parser.add_argument("--queue", help="the only queue to fetch from (default: all)")
    parser.add_argument("--name", default="celery", help="the worker's name before the @")
    parser.add_argument("--concurrency", type=int, help="number of threads (default: by the settings)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
