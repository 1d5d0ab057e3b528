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

from app.domain.kinds import KINDS
from app.domain.status import Kind
from app.settings import SettingsError, read_settings
from celery_app import celery


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a role until a signal ends it; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.role == "beat":
            return run_beat()
        return run_worker(options.kind, options.name)
    except SettingsError as error:
        raise SystemExit(f"celeriac can't start: {error}") from None
    except KeyboardInterrupt:  # before Celery handles signals
        return 128 + signal.SIGINT


def run_beat() -> int:
    """Celery's beat; the exit status."""
    celery.Beat(quiet=True).run()
    return 0


def run_worker(kind: Kind | None, name: str | None) -> int:
    """Celery's worker for one kind of task, or all, called `name`@host: the kind, if it is None. The exit status."""
    row = None if kind is None else KINDS[kind]
    worker = celery.Worker(
        hostname=f"{name or kind or 'celery'}@{socket.gethostname()}",
        queues=None if row is None else [row.queue],
        concurrency=None if row is None else row.concurrency(read_settings()),  # None: that of all kinds together
        quiet=True,  # no banner: start.py says what it has started
    )
    worker.start()
    return int(worker.exitcode or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks.celery_roles", description=__doc__)
    parser.add_argument("role", choices=["worker", "beat"])
    parser.add_argument("--kind", type=Kind, choices=list(Kind), help="the only kind of task to run (default: all)")
    parser.add_argument("--name", help="the worker's name before the @ (default: the kind, or celery)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
