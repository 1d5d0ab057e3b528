"""Sets the clock of one process: with this folder in PYTHONPATH, `time` is CLOCK_AHEAD_SECONDS ahead.

The kernel has no namespace for this clock, and libfaketime breaks time.sleep() of Python 3.11 and newer.
"""

import os
import time

_ahead_ns = round(float(os.environ.get("CLOCK_AHEAD_SECONDS", "0")) * 1e9)
_time_ns = time.time_ns

time.time_ns = lambda: _time_ns() + _ahead_ns
time.time = lambda: time.time_ns() / 1e9
