"""What users type to start Celeriac: the installed command `celeriac`, or `python start.py` in a clone."""

from __future__ import annotations

import sys
from pathlib import Path

INSTALLED = "celeriac"
SCRIPT = "start.py"


def command_name() -> str:
    """The name with which this process was started, as errors begin with it."""
    return INSTALLED if Path(sys.argv[0]).name == INSTALLED else SCRIPT


def command_line() -> str:
    """What to type in a shell before the words of a command."""
    return INSTALLED if command_name() == INSTALLED else f"python {SCRIPT}"
