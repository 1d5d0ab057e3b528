"""What commands write: results to stdout, so that a script can take them, everything else to stderr."""

from __future__ import annotations

import os
import sys

from app.launch.command_name import command_name


def print_result(text: str) -> None:
    """Write a result and a line's end to stdout. Raises OSError if nobody takes it."""
    write_result(f"{text}\n")


def write_result(text: str) -> None:
    """Write a result of whole lines to stdout. Raises OSError if nobody takes it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        _drop_output()
        raise


def _drop_output() -> None:
    """Let what is left of the output go nowhere: else Python tries to write it again at its end, and says so."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(sentence: str) -> None:
    """Write a sentence and a line's end to stderr."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def fail(sentence: str, status: int) -> int:
    """Say what went wrong, after the name of the command. Returns `status`, the exit status."""
    say(f"{command_name()}: {sentence}")
    return status
