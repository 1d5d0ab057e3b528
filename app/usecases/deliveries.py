"""Use cases of deliveries: list, read, send again; and the body of a callback."""

from __future__ import annotations

from typing import Any

from app.clock import Clock
from app.domain.errors import Conflict, NotFound, problem_with
from app.domain.fields import Kept, names_kept
from app.domain.ids import is_id
from app.domain.kinds import KINDS
from app.domain.spec import CommonFields
from app.domain.times import to_rfc3339
from app.store.columns import dump_json
from app.store.deliveries import Delivery, DeliveryFilters, DeliveryPage, DeliveryStore
from app.store.record import Task
from app.usecases.task_facts import end_facts, task_facts

#: The common spec fields that a callback tells; of those of a kind, it tells what lists show.
TOLD = tuple(
    name for name in names_kept(CommonFields, Kept.RECORD) if name not in ("callback_url", "callback_on", "alert")
)


class DeliveryService:
    """The operations on deliveries. Raises the errors of app/domain/errors.py."""

    def __init__(self, store: DeliveryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def get(self, delivery_id: str) -> Delivery:
        """One delivery with its tries."""
        delivery = self._store.get(delivery_id) if is_id(delivery_id) else None
        if delivery is None:
            raise NotFound("delivery not found")
        return delivery

    def page(self, filters: DeliveryFilters, limit: int, cursor: str | None) -> DeliveryPage:
        """A page of the deliveries that match, newest first."""
        with problem_with("cursor"):
            return self._store.page(filters, limit, cursor)

    def replay(self, delivery_id: str) -> Delivery:
        """Send a delivery again. Raises Conflict if its contents went with its task."""
        answer = self._store.replay(delivery_id, self._clock()) if is_id(delivery_id) else ""
        if not answer:
            raise NotFound("delivery not found")
        if answer == "gone":
            raise Conflict("the task was removed, and with it what the delivery would contain")
        return self.get(delivery_id)


def callback_body(delivery: Delivery, task: Task) -> bytes:
    """The body of a callback: the event, and the finished task without the body of its spec.

    It is the same at every try, since a finished task never changes.
    """
    told: dict[str, Any] = {
        **task_facts(task),
        **{name: task.spec[name] for name in (*TOLD, *KINDS[task.kind].summary)},
        **end_facts(task),
    }
    head = {"type": delivery.type, "timestamp": to_rfc3339(task.finished_ms or delivery.created_ms)}
    # The result is JSON already.
    text = f'{dump_json(head)[:-1]},"data":{dump_json(told)[:-1]},"result":{task.result_json or "null"}}}}}'
    return text.encode()
