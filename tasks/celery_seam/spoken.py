"""What Celery's worker prints to its standard output when a signal arrives: lines in our form instead.

The signal may have interrupted a thread that is logging, so the line is formatted and written here, without the locks
of `logging`.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from celery.apps import worker

from app import logs


def speak_in_our_form(log_format: str) -> None:
    """Replace the function with which Celery's signal handlers print."""

    def say(message: str, _stream: Any = None) -> None:
        line = logs.line(log_format, "celery.worker", message.strip()) + "\n"
        with contextlib.suppress(OSError, ValueError):  # nobody reads it, the disk is full, or the file was just closed
            os.write(logs.descriptor(), line.encode())

    worker.safe_say = say
