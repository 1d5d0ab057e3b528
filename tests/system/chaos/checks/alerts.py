"""Every failure that a rule wants told is told once: by a notice of its own, or counted in a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from app.domain.deliveries import DeliveryStatus
from app.domain.status import Status
from app.store.deliveries import Delivery, DeliveryFilters
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.findings import Finding
from tests.system.chaos.plan import CHANNEL


def alerts(evidence: Evidence) -> Iterator[Finding]:
    """The failed tasks against the records of notices, and those against what the target heard."""
    notices = list(_notices(evidence))
    own = Counter(one.task_id for one in notices if one.type == "alert.failed")
    failed = {task.id for task in evidence.tasks.values() if _is_owed(task.spec, task.status)}
    for task_id, number in own.items():
        if number > 1:
            yield Finding("a failure is told once", f"there are {number} notices", task_id)
        if task_id in evidence.tasks and task_id not in failed:
            yield Finding("only failures are told", "it has not failed, or has no rule", task_id)
    counted = sum(int((one.data or {})["subject"]) for one in notices if one.type == "alert.summary")
    told = own.total() + counted + evidence.store.alerts.flows([CHANNEL])[CHANNEL].held
    if not len(failed) <= told <= len(failed) + len(evidence.gone):
        sentence = f"{len(failed)} failed, and up to {len(evidence.gone)} that were deleted; {told} were told"
        yield Finding("every failure is told", sentence)
    for one in notices:
        if one.status is not DeliveryStatus.DELIVERED or one.event_id not in evidence.noticed:
            yield Finding("every notice arrives", f"its delivery: {one}", one.task_id)


def _is_owed(spec: object, status: Status) -> bool:
    return isinstance(spec, dict) and spec.get("alert") is not None and status is Status.FAILED


def _notices(evidence: Evidence) -> Iterator[Delivery]:
    cursor: str | None = None
    while True:
        page = evidence.store.deliveries.page(DeliveryFilters(channel=CHANNEL), 200, cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return
