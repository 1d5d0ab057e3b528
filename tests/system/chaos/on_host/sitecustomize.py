"""Sets the clock of one process: with this folder in PYTHONPATH, `time` is CLOCK_AHEAD_SECONDS ahead.

The kernel has no namespace for this clock, and libfaketime breaks time.sleep() of Python 3.11 and newer. Both functions
are replaced before any module can import the others by name.
"""

import os
import time

_time_ns = time.time_ns
_ahead_ns = 0


def set_clock() -> None:
    """Do as the environment says; again in a fork, which has another one (tests/warm.py)."""
    global _ahead_ns
    _ahead_ns = round(float(os.environ.get("CLOCK_AHEAD_SECONDS", "0")) * 1e9)


time.time_ns = lambda: _time_ns() + _ahead_ns
time.time = lambda: time.time_ns() / 1e9
set_clock()
