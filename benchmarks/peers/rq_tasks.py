"""What RQ's workers import."""

from __future__ import annotations


def nothing() -> None:
    """Nothing."""


def get(url: str) -> None:
    """Call a URL."""
    import requests  # not above: each job's process would import it, that of `nothing` as well

    requests.get(url, timeout=30).raise_for_status()
