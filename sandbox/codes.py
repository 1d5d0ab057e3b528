"""Compiled code of programs, kept for their next run.

The bytes come from a child, and only a child ever reads them: here they are opaque. A child sends them before the
program starts, and they are kept under the hash of the source that the child was given. Whatever a source brings about
can therefore only reach later runs of the same source, which are locked in like the first.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

MAX_ENTRIES = 1024
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """Compiled code, as a child sent it.

    version: of the Python and the policy that compiled it; no other may run it.
    fits_lean: whether a child of the lean zygote can run it.
    """

    version: str
    fits_lean: bool
    code: bytes


def key_of(source: bytes) -> bytes:
    """The key of a program."""
    return hashlib.sha256(source).digest()


class Codes:
    """Bounded by entries and by bytes; the one that was not used for longest goes first. Thread-safe."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Kept | None:
        """What is kept of a program."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: bytes, kept: Kept) -> None:
        """Keep it in place of what was kept of the same program."""
        with self._lock:
            self._drop(key)
            self._kept[key] = kept
            self._bytes += len(kept.code)
            while len(self._kept) > self._max_entries or self._bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= len(found.code)
