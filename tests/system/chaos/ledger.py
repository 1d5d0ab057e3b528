"""What the caller was told: the promises that the service has made."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from tests.system.chaos.findings import Finding
from tests.system.chaos.plan import Order, Then


@dataclass(slots=True)
class Entry:
    """One order and what became of it, as far as the caller knows.

    task_id: None where no answer came. is_refused: the answer was that nothing was done.
    done: the STOP or DELETE was confirmed.
    unsure: it was asked for, and no answer told whether it was done.
    final: the task as it was first seen finished.
    bulk_id: the bulk that was begun for it.
    """

    order: Order
    task_id: str | None = None
    is_refused: bool = False
    done: Then = Then.NOTHING
    unsure: Then = Then.NOTHING
    final: dict[str, Any] | None = field(default=None, repr=False)
    bulk_id: str | None = None


class Ledger:
    """All entries, by the order's name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self.findings: list[Finding] = []

    def open(self, order: Order) -> Entry:
        """A new entry."""
        entry = Entry(order)
        with self._lock:
            self._entries[order.name] = entry
        return entry

    def find(self, promise: str, sentence: str, task_id: str | None = None) -> None:
        """An answer that may not be."""
        with self._lock:
            self.findings.append(Finding(promise, sentence, task_id))

    @property
    def entries(self) -> list[Entry]:
        """A copy."""
        with self._lock:
            return list(self._entries.values())

    @property
    def may_be_gone(self) -> set[str]:
        """Names of the tasks whose deletion was asked for."""
        return {entry.order.name for entry in self.entries if Then.DELETE in (entry.done, entry.unsure)}
