"""Celery messages as bytes, for the store's transaction.

`apply_async` alone publishes through kombu. That takes nearly all of its 400 µs, and leaves a gap in which a record
exists that no message speaks of. But `apply_async` takes its producer as an argument: the one here writes the message
in the format of kombu's Redis transport and returns it. The store puts it on the queue in the Lua call that writes the
record. tests/worker/test_encoder.py holds the format against an unmodified worker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from celery import Celery, Signature

from app.domain.kinds import QUEUES
from app.messaging.queues import celery_priority
from app.store.keys import Keys
from app.store.messages import DELIVERY_TAG, ETA, EXECUTE, TASK_ID, Message, MessageTemplate, new_tag

#: The headers that a worker needs. All others that Celery sends say what a worker assumes where they are missing.
_HEADERS = ("task", "id", "eta")
_BLANKS = re.compile(f"({TASK_ID}|{DELIVERY_TAG}|{ETA})")


class _Capture:
    """A producer that keeps what it is given to publish: `publish` of kombu.Producer, without a connection."""

    def __init__(self) -> None:
        self.payload = ""
        self.connection = self  # send_task translates the errors of a producer's connection

    @contextmanager
    def _reraise_as_library_errors(self) -> Iterator[None]:
        yield

    def publish(
        self,
        body: tuple[Any, Any, dict[str, Any]],
        *,
        routing_key: str,
        headers: dict[str, Any],
        **_: Any,
    ) -> None:
        """What kombu's virtual.Channel.basic_publish and redis.Channel._put write, without what need not be there.

        A queued task waits in Redis together with its message, of which four fifths would be names with empty values.
        kombu encodes the body in base64, for any bytes. Ours is JSON text, which kombu takes as it is where
        `body_encoding` is left out.
        """
        args, kwargs, embedded = body
        self.payload = _json(
            {
                "body": _json([args, kwargs, {name: value for name, value in embedded.items() if value is not None}]),
                "content-type": "application/json",
                "headers": {name: headers[name] for name in _HEADERS if headers[name] is not None},
                "properties": {
                    "delivery_info": {"exchange": "", "routing_key": routing_key},
                    "delivery_tag": new_tag(),
                },
            }
        )


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _eta(due_ms: int) -> datetime:
    return datetime.fromtimestamp(due_ms / 1000, UTC)


@cache
def _execute() -> Signature:
    """The call that a message carries, of a Celery instance without a broker: only the form is asked of it.

    One for each process, as Celery takes milliseconds to configure an instance before its first message.
    """
    return Celery("celeriac", set_as_current=False).signature(EXECUTE)


class MessageEncoder:
    """Makes the message that has a task executed. Thread-safe."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._templates: dict[tuple[str, int, bool], MessageTemplate] = {}

    def __call__(self, task_id: str, kind: str, priority: int, due_ms: int | None) -> Message:
        """The message for `task_id`. A worker holds it until `due_ms`, None for a task that is due."""
        if due_ms is None:
            return self.template(kind, priority).fill(task_id)
        return self._template(kind, priority, is_countdown=True).fill(task_id, _eta(due_ms).isoformat())

    def template(self, kind: str, priority: int) -> MessageTemplate:
        """The message for tasks that are due now."""
        return self._template(kind, priority, is_countdown=False)

    def _template(self, kind: str, priority: int, *, is_countdown: bool) -> MessageTemplate:
        """Celery makes it once for each kind and priority, with and without a countdown."""
        template = self._templates.get((kind, priority, is_countdown))
        if template is None:
            message = json.loads(self._encode(TASK_ID, kind, priority, 0 if is_countdown else None))
            message["properties"]["delivery_tag"] = DELIVERY_TAG
            if is_countdown:
                message["headers"]["eta"] = ETA
            template = MessageTemplate(self._queue_key(kind, priority), tuple(_BLANKS.split(_json(message))))
            self._templates[kind, priority, is_countdown] = template
        return template

    def _queue_key(self, kind: str, priority: int) -> str:
        return self._keys.queue(QUEUES[kind], celery_priority(priority))

    def _encode(self, task_id: str, kind: str, priority: int, due_ms: int | None) -> str:
        capture = _Capture()
        _execute().apply_async(
            (task_id,),
            task_id=task_id,
            queue=QUEUES[kind],
            eta=None if due_ms is None else _eta(due_ms),
            priority=celery_priority(priority),
            producer=capture,
            argsrepr="",
            kwargsrepr="",
        )
        return capture.payload
