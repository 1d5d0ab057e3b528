"""Counts requests for `GET /metrics`: by route, status, duration, and reason of refusal.

Each process counts in memory and adds to the totals in Redis once a second and when it ends, so no request waits for
that. While Redis is away, the counts are kept. Only a process that is killed loses those of its last second.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

from app.domain.errors import Unavailable
from app.domain.metrics import REQUEST_BOUNDS_MS
from app.store.arguments import new_call
from app.store.totals import TotalsStore

FLUSH_SECONDS = 1.0


class RequestCounts:
    """The counts of one process that are not in the totals yet. Thread-safe.

    The names of counters are words with spaces between them: `requests METHOD ROUTE STATUS`, `refused REASON`,
    `time METHOD ROUTE` (µs) and `took METHOD ROUTE PLACE`, the place of the duration among REQUEST_BOUNDS_MS.
    """

    def __init__(self, store: TotalsStore) -> None:
        self._store = store
        self._process = new_call()
        self._lock = threading.Lock()
        self._counts = Counter[str]()
        self._sending = threading.Lock()
        self._number = 0
        self._unsent = Counter[str]()  # of the call `_number`, which may have been carried out
        self._stopped = threading.Event()

    def add(self, method: str, route: str, status: int, seconds: float | None, reason: str | None) -> None:
        """Count a request. `seconds` None: its duration says nothing · reason: why it was refused."""
        with self._lock:
            counts = self._counts
            counts[f"requests {method} {route} {status}"] += 1
            if reason is not None:
                counts[f"refused {reason}"] += 1
            if seconds is not None:
                counts[f"took {method} {route} {bisect_left(REQUEST_BOUNDS_MS, seconds * 1000)}"] += 1
                counts[f"time {method} {route}"] += round(seconds * 1_000_000)

    def flush(self) -> None:
        """Add the counts to the totals. Raises Unavailable if they have to be kept for the next time."""
        with self._sending:
            if not self._unsent:
                with self._lock:
                    self._unsent, self._counts = self._counts, Counter()
                self._number += bool(self._unsent)
            if self._unsent:
                self._store.add_requests(self._process, self._number, self._unsent)
                self._unsent = Counter()

    def start(self) -> None:
        """Flush every second until it is closed."""
        threading.Thread(target=self._run, name="request-counts", daemon=True).start()

    def close(self) -> None:
        """Flush for the last time."""
        self._stopped.set()
        self._try_to_flush()

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            self._try_to_flush()

    def _try_to_flush(self) -> None:
        try:
            self.flush()
        except Unavailable:
            return  # kept for the next time; the requests themselves have logged that Redis is away
