"""What time it is: read in one place, passed on as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Returns ms since 1970.
Clock = Callable[[], int]


def system_clock() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000
