"""Recovery: sends waiting tasks that become due, and recovers from lost messages and lost workers.

Each method does a bounded amount of work. Any number of processes may call it at the same time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from app.domain.outcome import Failure
from app.domain.status import Kind
from app.store.client import Client
from app.store.columns import SHORT_NAMES, dump_json
from app.store.failures import failure_values
from app.store.keys import PRIORITIES, Keys
from app.store.messages import Message
from app.store.record import read_field
from app.store.scripts import Scripts

#: The actor of a change if the caller gives none.
RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Sendable:
    """A task that needs a message: the message's contents, and the due time that was seen."""

    task_id: str
    kind: str
    priority: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """An attempt whose lease has expired."""

    task_id: str
    kind: str
    priority: int
    attempt: int
    epoch: int
    started_ms: int | None
    worker: str | None
    on_worker_lost: str


class RecoveryStore:
    """The work of a beat's tick, or of a worker's tick if no beat is alive."""

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def waiting_until(self, until_ms: int, limit: int) -> list[Sendable]:
        """Waiting tasks due by `until_ms` whose message has not been sent, earliest first."""
        return self.sendable(_ids(self._client.by_score(self._keys.due, "-inf", until_ms, limit)))

    def next_due_ms(self) -> int | None:
        """The earliest due time of the waiting tasks whose message has not been sent, in ms, or None."""
        first = self._client.first(self._keys.due)
        return first[1] if first else None

    def oldest_queued(self) -> dict[Kind, int]:
        """When the message of the oldest queued task of each kind was sent, ms; without kinds that have none."""
        oldest = dict[Kind, int]()
        for (kind, _), sent_ms in self._oldest_by_list():
            oldest[kind] = min(sent_ms, oldest.get(kind, sent_ms))
        return oldest

    def lists_with_old(self, before_ms: int) -> list[tuple[Kind, int]]:
        """Kind and priority of each list of messages whose oldest queued task was sent by `before_ms`."""
        return [one for one, sent_ms in self._oldest_by_list() if sent_ms <= before_ms]

    def _oldest_by_list(self) -> list[tuple[tuple[Kind, int], int]]:
        """(kind, priority) of each list of messages with queued tasks, and when that of the oldest was sent, ms."""
        lists = list(product(Kind, range(PRIORITIES)))
        with self._client.pipeline(transaction=False) as pipeline:
            for kind, priority in lists:
                pipeline.zrange(self._keys.queued(kind, priority), 0, 0, withscores=True)
            oldest = pipeline.execute()
        return [(one, int(found[0][1])) for one, found in zip(lists, oldest, strict=True) if found]

    def queued_until(self, kind: Kind, priority: int, until_ms: int, limit: int) -> list[Sendable]:
        """Queued tasks of one list of messages whose message was sent by `until_ms`, oldest first."""
        return self.sendable(_ids(self._client.by_score(self._keys.queued(kind, priority), "-inf", until_ms, limit)))

    def sendable(self, task_ids: Collection[str]) -> list[Sendable]:
        """The contents of a message for each of these tasks. Deleted tasks are omitted."""
        records = self._records(task_ids, "kind", "priority", "due_ms")
        return [
            Sendable(task_id, record["kind"], record["priority"], record["due_ms"])
            for task_id, record in zip(task_ids, records, strict=True)
            if record["kind"] is not None
        ]

    def _records(self, task_ids: Collection[str], *names: str) -> list[dict[str, Any]]:
        """These fields of the record of each task; an unset field is None, or the default of a spec field."""
        if not task_ids:
            return []
        with self._client.pipeline(transaction=False) as pipeline:
            for task_id in task_ids:
                pipeline.hmget(self._keys.task(task_id), [SHORT_NAMES[name] for name in names])
            return [dict(zip(names, map(read_field, names, found), strict=True)) for found in pipeline.execute()]

    def oldest_message(self, queue_key: str) -> str | None:
        """The task id in the message that is served next; None if the list is empty, "" for a foreign message."""
        payload = self._client.lindex(queue_key, -1)
        if payload is None:
            return None
        try:
            return str(json.loads(str(payload))["headers"]["id"])
        except (ValueError, TypeError, KeyError):
            return ""

    def drop_messages(self, queue_keys: Sequence[str], limit: int) -> int:
        """Remove the next messages of these lists, as long as their tasks have finished or are gone, up to `limit`.

        Returns the number of messages removed. Those of other programs stay.
        """
        return int(self._scripts("drop_messages", limit=limit, lists=queue_keys))

    def message_ms(self, kind: Kind, priority: int, task_id: str) -> int:
        """The time the task's message was sent to this list, in ms.

        0 if the task is not queued there, or if an older message may exist.
        """
        if self._client.hexists(self._keys.task(task_id), SHORT_NAMES["has_older_message"]):
            return 0
        return self.queued_ms(kind, priority, task_id) or 0

    def queued_ms(self, kind: Kind, priority: int, task_id: str) -> int | None:
        """The time the task's newest message was sent to this list, in ms; None if the task is not queued there."""
        score: Any = self._client.zscore(self._keys.queued(kind, priority), task_id)
        return None if score is None else int(score)

    def send(self, messages: Sequence[tuple[Sendable, Message]], now_ms: int, actor: str = RECOVERY) -> int:
        """Put messages on their queues if the tasks are still as they were seen. Returns the number sent."""
        values: list[Any] = []
        for task, message in messages:
            values += (task.task_id, task.due_ms, message.queue_key, message.payload)
        return int(self._scripts("send", now_ms=now_ms, actor=actor, messages=values))

    def hand_back(self, messages: Sequence[tuple[Sendable, Message]]) -> int:
        """Return tasks that were fetched but not started to the front of their queue, or to the waiting tasks.

        Returns the number of tasks returned.
        """
        values: list[Any] = []
        for task, message in messages:
            values += (task.task_id, message.queue_key, message.payload)
        return int(self._scripts("hand_back", messages=values))

    def mark_overdue(self, now_ms: int, before_ms: int, limit: int, actor: str = RECOVERY) -> int:
        """waiting -> queued for tasks that were sent as a countdown and due by `before_ms`. Returns their number."""
        return int(self._scripts("overdue", now_ms=now_ms, before_ms=before_ms, limit=limit, actor=actor))

    def expired_leases(self, now_ms: int, limit: int) -> list[LostAttempt]:
        """Attempts whose lease expired before `now_ms`."""
        expired = self._client.by_score(self._keys.leases, "-inf", f"({now_ms}", limit)
        task_ids = _ids(expired)
        names = ("kind", "priority", "attempt", "epoch", "started_ms", "worker", "on_worker_lost")
        return [
            LostAttempt(task_id, **record)
            for task_id, record in zip(task_ids, self._records(task_ids, *names), strict=True)
            if record["epoch"] is not None  # None: the attempt ended or was deleted after its lease was read
        ]

    def take_back(
        self,
        lost: LostAttempt,
        now_ms: int,
        message: Message,
        max_losses: int,
        failure: Failure,
        entry: dict[str, Any],
        actor: str = RECOVERY,
    ) -> str:
        """running -> queued, or failed after `max_losses`, or stopped if a stop was requested.

        Returns the new status, or "" if the lease was renewed or the attempt ended meanwhile.
        """
        return str(
            self._scripts(
                "take_back",
                task_id=lost.task_id,
                epoch=lost.epoch,
                now_ms=now_ms,
                queue_key=message.queue_key,
                message=message.payload,
                max_losses=max_losses,
                error=dump_json(failure.as_json()),
                failure=failure_values(lost.kind, failure),
                attempt=dump_json(entry),
                actor=actor,
            )
        )


def _ids(found: Sequence[tuple[str, int]]) -> list[str]:
    return [task_id for task_id, _ in found]
