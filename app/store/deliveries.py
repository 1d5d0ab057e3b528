"""Deliveries in Redis: messages to a callback URL or a channel, and the queue of their tries.

A pending delivery is always in one of two sorted sets: by the time of its next try, or by the end of the lease of its
current try. So none is lost, whichever process dies (docs/decisions/0025).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.deliveries import DeliveryStatus
from app.store.arguments import checked_cursor
from app.store.client import Client
from app.store.columns import TASK, dump_json
from app.store.keys import Keys
from app.store.record import Task, read_task, record_of
from app.store.scripts import Scripts

logger = logging.getLogger("celeriac.deliveries")

#: Records that are compared with the filters for one page.
SCAN_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to create. `event_id`: "" for an event of its own. `data`: the facts of a notice, any JSON object."""

    type: str
    channel: str = ""
    url: str = ""
    event_id: str = ""
    task_id: str = ""
    scheduled_task_id: str = ""
    data: Mapping[str, Any] | None = None


def delivery_fields(new: NewDelivery) -> dict[str, str]:
    """The fields that `add_delivery` of `_lib.lua` takes: those that are set, `data` as JSON."""
    texts = {name: getattr(new, name) for name in NewDelivery.__slots__ if name != "data"}
    fields = {name: text for name, text in texts.items() if text}
    if new.data is not None:
        fields["data"] = dump_json(new.data)
    return fields


@dataclass(frozen=True, slots=True)
class Try:
    """One try: when it began, the status code of the answer if there was one, how long it took, and what went wrong."""

    at_ms: int
    status: int | None
    ms: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it stood when it was read. Times are ms since 1970.

    event_id: the same for every try, replay and receiver of one event. channel: None for a callback, which has a `url`.
    tried: tries since the creation or the last replay. epoch: how often it was claimed. tries: if it was read alone.
    subject: the task that it is about, if it was claimed and the task is small.
    """

    id: str
    event_id: str
    type: str
    status: DeliveryStatus
    created_ms: int
    channel: str | None = None
    url: str | None = None
    task_id: str | None = None
    scheduled_task_id: str | None = None
    data: Mapping[str, Any] | None = None
    tried: int = 0
    next_try_ms: int | None = None
    finished_ms: int | None = None
    last_try: Try | None = None
    epoch: int = 0
    tries: Sequence[Try] = ()
    subject: Task | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilters:
    """Which deliveries to list; None: any."""

    task_id: str | None = None
    scheduled_task_id: str | None = None
    channel: str | None = None
    status: DeliveryStatus | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some of the list; `cursor` is None at its end."""

    items: list[Delivery]
    cursor: str | None


class DeliveryStore:
    """The deliveries under one prefix. Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    # --- create, read -----------------------------------------------------------------------------

    def add(self, new: NewDelivery, now_ms: int) -> str:
        """Create a delivery that is due now. Returns its id."""
        return str(self._scripts("delivery_add", fields=dump_json(delivery_fields(new)), now_ms=now_ms))

    def get(self, delivery_id: str) -> Delivery | None:
        """One with its tries, or None."""
        key = self._keys.delivery(delivery_id)
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(key)
            pipeline.lrange(f"{key}:tries", 0, -1)
            record, tries = pipeline.execute()
        if not record:
            return None
        return _read(delivery_id, record, [_read_try(text) for text in tries])

    def page(self, filters: DeliveryFilters, limit: int, cursor: str | None = None) -> DeliveryPage:
        """The deliveries that match, newest first, from `cursor` on, which an earlier page gave.

        A page holds fewer than `limit` at the end of the list, and where few match: then it has a cursor. Raises
        ValueError for a cursor that no page gave.
        """
        following, *rows = self._scripts(
            "delivery_list",
            before=checked_cursor(cursor) or "+inf",
            limit=limit,
            budget=SCAN_PER_PAGE,
            checks=dump_json([part for check in _checks(filters) for part in check]),
            indexes=list(self._indexes(filters)),
        )
        items = [_read(one, record_of(flat)) for one, flat in zip(rows[::2], rows[1::2], strict=True)]
        return DeliveryPage(items, following or None)

    def _indexes(self, filters: DeliveryFilters) -> Iterable[str]:
        yield self._keys.deliveries
        if filters.status is not None:
            yield self._keys.delivery_index(filters.status)
        for what, name in (
            ("task", filters.task_id),
            ("schedule", filters.scheduled_task_id),
            ("channel", filters.channel),
        ):
            if name is not None:
                yield self._keys.deliveries_of(what, name)

    def subject(self, delivery: Delivery) -> Task | None:
        """The task that a delivery is about, with result and output but without its body; None if it is gone."""
        if delivery.subject is not None or delivery.task_id is None:
            return delivery.subject
        record, result, stdout = self._scripts("delivery_subject", delivery_id=delivery.id, task_id=delivery.task_id)
        if not record:
            return None
        return read_task(delivery.task_id, record, result_json=result or None, stdout=stdout)

    # --- tries ------------------------------------------------------------------------------------

    def is_any_due(self, now_ms: int) -> bool:
        """Whether `claim` would find a delivery, at half its price."""
        return bool(self._client.zcount(self._keys.due_deliveries, "-inf", now_ms))

    def claim(self, now_ms: int, lease_until_ms: int, limit: int) -> list[Delivery]:
        """Up to `limit` deliveries that are due, earliest first. Until the lease ends they belong to the caller.

        One that can't be read is left out, so that it does not hold up the others; its lease ends, too.
        """
        found = self._scripts("delivery_claim", now_ms=now_ms, lease_until_ms=lease_until_ms, limit=limit)
        claimed: list[Delivery] = []
        for one, flat, record in zip(found[::3], found[1::3], found[2::3], strict=True):
            try:
                claimed.append(replace(_read(one, record_of(flat)), subject=_subject_of(flat, record)))
            except (KeyError, ValueError):
                logger.exception("a delivery can't be read", extra={"action": "delivery_defect", "delivery_id": one})
        return claimed

    def end_try(
        self,
        claimed: Delivery,
        now_ms: int,
        status: DeliveryStatus,
        *,
        next_try_ms: int | None = None,
        made: Try | None = None,
    ) -> str:
        """End a try. A delivery that stays pending is due again at `next_try_ms`. `made`: None if it does not count.

        Returns the new status, "" if the delivery is gone, or "superseded" if it no longer belongs to the caller.
        """
        return str(
            self._scripts(
                "delivery_report",
                delivery_id=claimed.id,
                epoch=claimed.epoch,
                now_ms=now_ms,
                status=status,
                next_try_ms=now_ms if next_try_ms is None else next_try_ms,
                made="" if made is None else dump_json([made.at_ms, made.status, made.ms, made.error]),
            )
        )

    def take_back(self, now_ms: int, limit: int) -> int:
        """Put back deliveries whose lease has expired; their lost try does not count. Returns their number."""
        return int(self._scripts("delivery_take_back", now_ms=now_ms, limit=limit))

    def replay(self, delivery_id: str, now_ms: int) -> str:
        """Send a delivery again from now on, with all its tries; a pending one at once.

        Returns "pending", "" if there is no such delivery, or "gone" if its task was removed, and with it its contents.
        """
        return str(self._scripts("delivery_replay", delivery_id=delivery_id, now_ms=now_ms))

    # --- retention --------------------------------------------------------------------------------

    def trim(self, before_ms: int, most: int, limit: int) -> tuple[int, int]:
        """Remove deliveries that ended and were created before `before_ms`, and the oldest of more than `most`.

        Of each status, and of those that exceed `most`, up to `limit`. Pending ones are removed only if there are more
        than `most` of them. Returns the number removed, and how many of them were pending.
        """
        removed, lost = self._scripts("delivery_trim", before_ms=before_ms, most=most, limit=limit)
        return int(removed), int(lost)


def _checks(filters: DeliveryFilters) -> Iterable[tuple[str, str]]:
    for name in DeliveryFilters.__slots__:
        value = getattr(filters, name)
        if value is not None:
            yield name, str(value)


def _subject_of(flat: Sequence[str], record: Sequence[str]) -> Task | None:
    """The task with this record, which a delivery with the record `flat` is about; None without a record."""
    if not record:
        return None
    return read_task(record_of(flat)["task_id"], record, result_json=record_of(record).get(TASK["result"].short))


def _read(delivery_id: str, record: Mapping[str, str], tries: Sequence[Try] = ()) -> Delivery:
    return Delivery(
        id=delivery_id,
        event_id=record["event_id"],
        type=record["type"],
        status=DeliveryStatus(record["status"]),
        created_ms=int(record["created_ms"]),
        channel=record.get("channel"),
        url=record.get("url"),
        task_id=record.get("task_id"),
        scheduled_task_id=record.get("scheduled_task_id"),
        data=json.loads(record["data"]) if "data" in record else None,
        tried=int(record.get("tried", "0")),
        next_try_ms=int(record["next_try_ms"]) if "next_try_ms" in record else None,
        finished_ms=int(record["finished_ms"]) if "finished_ms" in record else None,
        last_try=_read_try(record["last_try"]) if "last_try" in record else None,
        epoch=int(record.get("epoch", "0")),
        tries=tries,
    )


def _read_try(text: str) -> Try:
    return Try(*json.loads(text))
