"""The checks: each compares what was promised with what is there, and yields what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.system.chaos.checks.accepted import accepted
from tests.system.chaos.checks.alerts import alerts
from tests.system.chaos.checks.attempts import (
    attempts_have_records,
    calls_have_records,
    overlapping_calls,
    overlaps,
    successes_were_calls,
)
from tests.system.chaos.checks.bulks import bulks
from tests.system.chaos.checks.callbacks import callbacks
from tests.system.chaos.checks.counters import counters
from tests.system.chaos.checks.firings import firings, stopped_by_next
from tests.system.chaos.checks.history import histories
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding

CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    accepted,
    bulks,
    overlaps,
    overlapping_calls,
    attempts_have_records,
    calls_have_records,
    successes_were_calls,
    firings,
    stopped_by_next,
    histories,
    counters,
    callbacks,
    alerts,
)
