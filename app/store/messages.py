"""The message that the store puts on a queue beside the record, so that a worker hears of the task."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready for the list `queue_key`. An empty `payload` means that there is no message."""

    queue_key: str = ""
    payload: str = ""


NO_MESSAGE = Message()

#: The blanks of a template: the task's id, and the delivery's own tag.
TASK_ID, DELIVERY_TAG = "@task-id@", "@delivery-tag@"


class MessageTemplate(NamedTuple):
    """The message for any number of tasks: `parts` joined make its text; some of them are blanks.

    `fire.lua` fills it in as well. A task's id is a UUID, so it is valid JSON as it stands.
    """

    queue_key: str
    parts: tuple[str, ...]

    def fill(self, task_id: str) -> Message:
        """The message for one task, with a tag that no other message has."""
        blanks = {TASK_ID: task_id, DELIVERY_TAG: str(uuid.uuid4())}
        return Message(self.queue_key, "".join([blanks.get(part, part) for part in self.parts]))


class MessageMaker(Protocol):
    """Makes the messages that have tasks executed. Priorities are 0..9."""

    def __call__(self, task_id: str, kind: str, priority: int, countdown_seconds: float | None) -> Message:
        """The message for one task; a worker holds it for `countdown_seconds` before it starts the task."""

    def template(self, kind: str, priority: int) -> MessageTemplate:
        """The message for any number of tasks that are due now."""
