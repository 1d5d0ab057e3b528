"""What commands write: results to stdout, so that a script can take them, everything else to stderr."""

from __future__ import annotations

import sys

from app.launch.command_name import command_name


def print_result(text: str) -> None:
    """Write a result and a line's end to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say(sentence: str) -> None:
    """Write a sentence and a line's end to stderr."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def fail(sentence: str, status: int) -> int:
    """Say what went wrong, after the name of the command. Returns `status`, the exit status."""
    say(f"{command_name()}: {sentence}")
    return status
