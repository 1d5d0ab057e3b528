"""Celery messages as bytes, for the store's transaction.

`apply_async` alone publishes through kombu: nearly all of its 400 µs, and a gap in which a record exists that
no message speaks of. It takes its producer as an argument, though. This one writes the message in the form of
kombu's Redis transport and hands it back; the store puts it on the queue in the same Lua call that writes the
record. tests/worker/test_outbox.py holds the form against an unmodified worker.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.queues import EXECUTE, QUEUES, celery_priority
from app.store.keys import Keys
from app.store.messages import Message
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


class _Template:
    """Celery's message for a task whose id is to be filled in: most messages differ in nothing else."""

    def __init__(self, payload: str) -> None:
        message = json.loads(payload)
        self._body = base64.b64decode(message["body"]).decode()
        message["body"] = _BODY
        message["properties"]["delivery_tag"] = _TAG
        self._text = json.dumps(message)

    def fill(self, task_id: str) -> str:
        """The message. The id is a UUID, so it is JSON as it stands."""
        body = base64.b64encode(self._body.replace(_ID, task_id).encode()).decode()
        return self._text.replace(_ID, task_id).replace(_BODY, body).replace(_TAG, str(uuid.uuid4()))


_ID, _BODY, _TAG = "@task-id@", "@body@", "@delivery-tag@"


class Outbox:
    """Makes the message that has a task executed. Thread-safe."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._execute = celery.signature(EXECUTE)
        self._templates: dict[tuple[str, int], _Template] = {}

    def __call__(self, task_id: str, kind: str, priority: int, countdown_seconds: float | None) -> Message:
        """The message for `task_id`; a worker keeps it back for `countdown_seconds`."""
        key = self._keys.queue(QUEUES[kind], celery_priority(priority))
        if countdown_seconds is not None:
            return Message(key, self._publish(task_id, kind, priority, countdown_seconds))
        template = self._templates.get((kind, priority))
        if template is None:
            template = self._templates[kind, priority] = _Template(self._publish(_ID, kind, priority, None))
        return Message(key, template.fill(task_id))

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
