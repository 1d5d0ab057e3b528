"""The message that the store puts on a queue when it writes the record, so that a worker receives the task."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready for the list `queue_key`. An empty `payload` means "no message"."""

    queue_key: str = ""
    payload: str = ""


NO_MESSAGE = Message()

#: The name under which a worker knows the work. Messages carry it, a task's id and nothing else.
EXECUTE = "celeriac.execute"

#: Placeholders in a template: the id of the task, the tag of the delivery, and until when a worker holds a countdown.
TASK_ID, DELIVERY_TAG, ETA = "@task-id@", "@delivery-tag@", "@eta@"


def new_tag() -> str:
    """A tag that no other of the deliveries has that a worker holds at one time: some thousands at most."""
    return secrets.token_urlsafe(6)


class MessageTemplate(NamedTuple):
    """A message for any number of tasks: its text is the joined `parts`, some of which are placeholders.

    `fire.lua` fills in templates as well. The id of a task is a UUID and needs no escapes in JSON, nor does a time.
    """

    queue_key: str
    parts: tuple[str, ...]

    def fill(self, task_id: str, eta: str = "") -> Message:
        """The message for one task, with a unique tag. `eta`: of a countdown, in ISO 8601."""
        placeholders = {TASK_ID: task_id, DELIVERY_TAG: new_tag(), ETA: eta}
        return Message(self.queue_key, "".join([placeholders.get(part, part) for part in self.parts]))


class MessageMaker(Protocol):
    """Builds the messages that make workers execute tasks. Priorities are 0..9."""

    def __call__(self, task_id: str, kind: str, priority: int, due_ms: int | None) -> Message:
        """The message for one task. A worker holds it until `due_ms`, None for a task that is due."""

    def template(self, kind: str, priority: int) -> MessageTemplate:
        """The message template for tasks that are due now."""
