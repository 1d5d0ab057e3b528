"""What tests, and the processes that they start, would inherit from whoever has started pytest."""

from __future__ import annotations

import dataclasses
import os
import signal
import tempfile

from app.settings import Settings

SETTINGS = frozenset(field.name.upper() for field in dataclasses.fields(Settings))
#: Variables that change how Python, Celery or an HTTP client behaves.
OTHERS = (
    "PYTHONOPTIMIZE",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONWARNINGS",
    "PYTHONHASHSEED",
    "PYTHONSTARTUP",
    "PYTHONDEVMODE",
    "CELERIAC_PARENT_PID",
)
#: The path of a socket in a folder of pytest's has to fit into 104 characters.
MAX_TMPDIR_LENGTH = 30
PREFIXES = ("CELERY_", "FLASK_")
#: Python ignores these itself, and Popen restores them.
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def shorten_tmpdir() -> None:
    """Replace a TMPDIR whose path is too long for the sockets in it."""
    if len(os.fsencode(tempfile.gettempdir())) > MAX_TMPDIR_LENGTH:
        os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"


def forget() -> None:
    """Replace it by what tests expect: no settings, a usual umask, no ignored or blocked signals, open descriptors."""
    for name in list(os.environ):
        if name in SETTINGS or name in OTHERS or name.startswith(PREFIXES) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    os.umask(0o022)
    _open_standard_descriptors()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN and number not in IGNORED_BY_PYTHON:
            # Ignored here, as under nohup; but a handler is not inherited, so a new process has the default action.
            signal.signal(number, lambda *_: None)


def _open_standard_descriptors() -> None:
    """A socket must not become what a child takes for its stdin."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
