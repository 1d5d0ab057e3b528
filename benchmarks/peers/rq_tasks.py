"""What RQ's workers import."""

from __future__ import annotations

import time


def nothing() -> None:
    """Nothing."""


def slow_call(seconds: float, url: str) -> None:
    """Sleep, then call a URL."""
    import requests  # not above: each job's process would import it, that of `nothing` as well

    time.sleep(seconds)
    requests.get(url, timeout=30).raise_for_status()
