"""Every finish of a task with a callback is told at least once, by one event, signed, and its delivery says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from app.domain.deliveries import DeliveryStatus
from app.store.deliveries import Delivery, DeliveryFilters
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.target import Told

PROMISE = "every finish is told"


def callbacks(evidence: Evidence) -> Iterator[Finding]:
    """The tasks against what the target heard, and against the records of deliveries."""
    told = defaultdict(list)
    for one in evidence.told:
        told[one.task_id].append(one)
    for task_id, status in _owed(evidence).items():
        found = evidence.store.deliveries.page(DeliveryFilters(task_id=task_id), 10).items
        found = [delivery for delivery in found if delivery.channel is None]  # not the notices about it
        if evidence.has_partitions and any(one.status is DeliveryStatus.PENDING and one.tried > 1 for one in found):
            continue
        yield from _is_told(task_id, status, told[task_id])
        yield from _is_recorded(task_id, found, told[task_id])
    for one in evidence.told:
        if not one.is_signed:
            yield Finding("callbacks are signed", f"{one} is not", one.task_id)


def _owed(evidence: Evidence) -> dict[str, str | None]:
    """The tasks with a callback: how each has finished, None where it was deleted after that."""
    owed: dict[str, str | None] = {
        task.id: str(task.status) for task in evidence.tasks.values() if task.spec["callback_url"] is not None
    }
    for entry in evidence.ledger.entries:
        if entry.task_id is not None and "callback_url" in entry.order.body:
            owed.setdefault(entry.task_id, None)
    return owed


def _is_told(task_id: str, status: str | None, told: list[Told]) -> Iterator[Finding]:
    if not any(one.answer == "200" for one in told):
        yield Finding(PROMISE, f"what the target heard: {told}", task_id)
    if len({one.event_id for one in told}) > 1 or len({one.type for one in told}) > 1:
        yield Finding("a finish is one event", f"what the target heard: {told}", task_id)
    if status is not None and any(one.type != f"task.{status}" for one in told):
        yield Finding("callbacks are right", f"it is {status}; what the target heard: {told}", task_id)


def _is_recorded(task_id: str, found: list[Delivery], told: list[Told]) -> Iterator[Finding]:
    if len(found) != 1:
        yield Finding("a finish is one delivery", f"there are {found}", task_id)
        return
    if found[0].status is not DeliveryStatus.DELIVERED:
        yield Finding(PROMISE, f"its delivery: {found[0]}", task_id)
    if {one.event_id for one in told} - {found[0].event_id}:
        yield Finding("a finish is one event", f"its delivery is {found[0].event_id}, and it heard {told}", task_id)
