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

from app.domain.status import Kind
from app.settings import EXIT_BAD_SETTINGS, SettingsError, read_settings


def main(arguments: Sequence[str] | None = None) -> int | str | None:
    """Run a role until a signal ends it; what `sys.exit` takes: an exit status, or why it failed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.role == "worker":
            return run_worker(options.kind, options.name)
        if options.kind or options.name:
            parser.error("--kind and --name are for workers")
        return run_beat()
    except SettingsError as error:
        sys.stderr.write(f"celeriac can't start: {error}\n")
        return EXIT_BAD_SETTINGS
    except KeyboardInterrupt:  # before Celery handles signals
        return 128 + signal.SIGINT


def run_beat() -> int:
    """Celery's beat, until a signal."""
    from celery_app import celery  # takes most of a second, in which Ctrl-C may come

    celery.Beat(quiet=True).run()
    return 0


def run_worker(kind: Kind | None, name: str | None) -> int | str | None:
    """Celery's worker for one kind of task, or all, called `name`@host: the kind, if it is None. As `main` returns."""
    from app.domain.kinds import KINDS
    from celery_app import celery

    row = None if kind is None else KINDS[kind]
    worker = celery.Worker(
        hostname=f"{name or kind or 'celery'}@{socket.gethostname()}",
        queues=None if row is None else [row.queue],
        concurrency=None if row is None else row.concurrency(read_settings()),  # None: that of all kinds together
        quiet=True,  # no banner: start.py says what it has started
    )
    worker.start()
    found: int | str | None = worker.exitcode
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks.celery_roles", description=__doc__)
    parser.add_argument("role", choices=["worker", "beat"])
    parser.add_argument("--kind", type=Kind, choices=list(Kind), help="the only kind of task to run (default: all)")
    parser.add_argument("--name", help="the worker's name before the @ (default: the kind, or celery)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
