"""What the store writes beside a record so that a worker hears of it."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready for the list `queue_key`. An empty `payload` is none."""

    queue_key: str = ""
    payload: str = ""


NO_MESSAGE = Message()


#: What a letter leaves open: the task's id, the same in base64, and the delivery's own tag.
ID, ID_BASE64, TAG = "@task-id@", "@task-id-base64@", "@delivery-tag@"


class Letter(NamedTuple):
    """A message for many tasks, to be filled in: `parts` are its text, some of them blanks (ID, ID_BASE64, TAG).

    `fire.lua` fills it in as well. A task's id is a UUID, so it is JSON as it stands.
    """

    queue_key: str
    parts: tuple[str, ...]

    def fill(self, task_id: str) -> Message:
        """The message for one task, with a tag that no other has."""
        blanks = {ID: task_id, ID_BASE64: base64_of(task_id), TAG: str(uuid.uuid4())}
        return Message(self.queue_key, "".join([blanks.get(part, part) for part in self.parts]))


def base64_of(task_id: str) -> str:
    """What fills in ID_BASE64."""
    return base64.b64encode(task_id.encode()).decode()


class MessageMaker(Protocol):
    """Makes the messages that have tasks executed. Priorities are 0..9."""

    def __call__(self, task_id: str, kind: str, priority: int, countdown_seconds: float | None) -> Message:
        """The message for one task, which a worker keeps back for `countdown_seconds`."""

    def letter(self, kind: str, priority: int) -> Letter:
        """The message for any number of tasks that are due at once."""
