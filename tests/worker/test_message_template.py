"""Messages made from a template equal the ones that Celery makes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.ids import new_id
from app.domain.kinds import QUEUES
from app.messaging.encoder import MessageEncoder
from app.store.keys import Keys
from app.store.messages import Message
from tests.conftest import NOON_MS


@pytest.fixture
def encoder() -> MessageEncoder:
    return MessageEncoder(Keys())


def without_tag(message: Message) -> tuple[str, dict[str, Any]]:
    envelope = json.loads(message.payload)
    assert envelope["properties"].pop("delivery_tag")
    return message.queue_key, envelope


@pytest.mark.parametrize("kind", QUEUES)
@pytest.mark.parametrize("priority", [0, 5, 9])
def test_a_filled_in_message_is_celerys_own(encoder: MessageEncoder, kind: str, priority: int) -> None:
    for _ in range(3):
        task_id = new_id(NOON_MS)
        filled = encoder(task_id, kind, priority, None)
        celerys = Message(filled.queue_key, encoder._encode(task_id, kind, priority, None))
        assert without_tag(filled) == without_tag(celerys)


def test_each_message_has_a_tag_of_its_own(encoder: MessageEncoder) -> None:
    messages = [json.loads(encoder(new_id(NOON_MS), "code", 5, None).payload) for _ in range(20)]
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 20


@pytest.mark.parametrize("kind", QUEUES)
@pytest.mark.parametrize("seconds", [0.001, 3.25])
def test_a_filled_in_countdown_is_celerys_own(encoder: MessageEncoder, kind: str, seconds: float) -> None:
    """But for the moment from which it counts."""
    for _ in range(3):
        task_id, etas = new_id(NOON_MS), []
        before = datetime.now(UTC)
        filled = encoder(task_id, kind, 5, seconds)
        celerys = Message(filled.queue_key, encoder._encode(task_id, kind, 5, seconds))
        after = datetime.now(UTC)
        queue_and_text = [without_tag(message) for message in (filled, celerys)]
        for _, envelope in queue_and_text:
            etas.append(datetime.fromisoformat(envelope["headers"].pop("eta")))
        assert queue_and_text[0] == queue_and_text[1]
        assert before <= etas[0] - timedelta(seconds=seconds) <= etas[1] - timedelta(seconds=seconds) <= after
