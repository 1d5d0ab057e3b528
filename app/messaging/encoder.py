"""Celery messages as bytes, for the store's transaction.

`apply_async` alone publishes through kombu: nearly all of its 400 µs, and a gap in which a record exists that
no message speaks of. It takes its producer as an argument, though. This one writes the message in the form of
kombu's Redis transport and hands it back; the store puts it on the queue in the same Lua call that writes the
record. tests/worker/test_outbox.py holds the form against an unmodified worker.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.messaging.queues import EXECUTE, QUEUES, celery_priority
from app.store.keys import Keys
from app.store.messages import ID, ID_BASE64, TAG, Letter, Message
from celery_app import celery


class _Capture:
    """A producer that keeps what it is given to publish: `publish` of kombu.Producer, without a connection."""

    def __init__(self) -> None:
        self.payload = ""
        self.connection = self  # send_task turns the errors of a producer's connection into its own

    @contextmanager
    def _reraise_as_library_errors(self) -> Iterator[None]:
        yield

    def publish(
        self,
        body: Any,
        *,
        routing_key: str,
        headers: dict[str, Any],
        priority: int = 0,
        delivery_mode: int = 2,
        correlation_id: str = "",
        reply_to: str = "",
        **_: Any,
    ) -> None:
        """What kombu's virtual.Channel.basic_publish and redis.Channel._put write."""
        encoded = base64.b64encode(json.dumps(body).encode()).decode()
        properties = {
            "correlation_id": correlation_id,
            "reply_to": reply_to,
            "delivery_mode": delivery_mode,
            "delivery_info": {"exchange": "", "routing_key": routing_key},
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        }
        self.payload = json.dumps(
            {
                "body": encoded,
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": headers,
                "properties": properties,
            }
        )


_BLANKS = re.compile(f"({ID}|{ID_BASE64}|{TAG})")


def _letter(queue_key: str, payload: str) -> Letter:
    """Celery's message for the task ID, opened: most messages differ in nothing but the task's id."""
    message = json.loads(payload)
    message["body"] = _opened_base64(base64.b64decode(message["body"]).decode())
    message["properties"]["delivery_tag"] = TAG
    return Letter(queue_key, tuple(_BLANKS.split(json.dumps(message))))


def _opened_base64(body: str) -> str:
    """A JSON body with ID in it, in base64, but for the id.

    Base64 is made of three bytes at a time, and an id has 36: with the id at a multiple of three, what is before it,
    the id and what is behind it can each be written alone. JSON may begin with blanks.
    """
    before, _, behind = body.partition(ID)
    before = " " * (-len(before.encode()) % 3) + before
    return base64.b64encode(before.encode()).decode() + ID_BASE64 + base64.b64encode(behind.encode()).decode()


class Outbox:
    """Makes the message that has a task executed. Thread-safe."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._execute = celery.signature(EXECUTE)
        self._letters: dict[tuple[str, int], Letter] = {}

    def __call__(self, task_id: str, kind: str, priority: int, countdown_seconds: float | None) -> Message:
        """The message for `task_id`; a worker keeps it back for `countdown_seconds`."""
        if countdown_seconds is None:
            return self.letter(kind, priority).fill(task_id)
        return Message(self._queue_key(kind, priority), self._publish(task_id, kind, priority, countdown_seconds))

    def letter(self, kind: str, priority: int) -> Letter:
        """The message for tasks that are due at once, made by Celery when it is first needed."""
        letter = self._letters.get((kind, priority))
        if letter is None:
            letter = _letter(self._queue_key(kind, priority), self._publish(ID, kind, priority, None))
            self._letters[kind, priority] = letter
        return letter

    def _queue_key(self, kind: str, priority: int) -> str:
        return self._keys.queue(QUEUES[kind], celery_priority(priority))

    def _publish(self, task_id: str, kind: str, priority: int, countdown_seconds: float | None) -> str:
        capture = _Capture()
        self._execute.apply_async(
            (task_id,),
            task_id=task_id,
            queue=QUEUES[kind],
            countdown=countdown_seconds,
            priority=celery_priority(priority),
            producer=capture,
            argsrepr="",
            kwargsrepr="",
        )
        return capture.payload
