"""The limit on open files, as high as this process may have it."""

from __future__ import annotations

import resource
from contextlib import suppress

#: More than any process of ours needs: API_CONCURRENCY at its highest takes about 5,000.
ENOUGH = 65_536


def allow_many() -> None:
    """Raise the limit to what the system allows. Children inherit it.

    Shells, systemd and Docker set 1,024 for the sake of programs that can deal with no more, and allow a program to ask
    for more. A worker with API_CONCURRENCY=400 needs that: without it, calls and Redis fail at times.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS has a limit of its own below that
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
