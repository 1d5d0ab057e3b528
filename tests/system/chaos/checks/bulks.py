"""Each bulk has come to its end, and has done what it says, once."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.bulk import BulkStatus
from app.store.bulk import Bulk
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.ledger import Entry
from tests.system.chaos.plan import Then, retry_name


def bulks(evidence: Evidence) -> Iterator[Finding]:
    """Every bulk that was begun, as far as it is kept, against the tasks."""
    for entry in evidence.ledger.entries:
        retries = [task.id for task in evidence.by_name.get(retry_name(entry.order.name), [])]
        if len(retries) > 1:
            yield Finding("a bulk retries once", f"{entry.order.name} was retried as {retries}", retries[0])
        bulk = evidence.store.bulks.get(entry.bulk_id) if entry.bulk_id else None
        if bulk is not None:
            yield from _has_ended(bulk)
            yield from _did_what_it_says(evidence, entry, bulk, retries)


def _has_ended(bulk: Bulk) -> Iterator[Finding]:
    if bulk.status is not BulkStatus.COMPLETED or bulk.position != bulk.matched:
        yield Finding("a bulk comes to its end", f"{bulk.action} is {bulk}")


def _did_what_it_says(evidence: Evidence, entry: Entry, bulk: Bulk, retries: list[str]) -> Iterator[Finding]:
    name, then = entry.order.name, entry.order.then
    if then is Then.BULK_RETRY and len(retries) != bulk.done:
        yield Finding("a bulk counts what it did", f"{name}: {bulk.done} retries are counted, there are {retries}")
    if then is Then.BULK_DELETE and bulk.done and entry.task_id in evidence.tasks:
        yield Finding("what was deleted is gone", f"{name} was deleted by a bulk, and is there", entry.task_id)
