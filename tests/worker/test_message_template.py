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
from app.usecases.dispatch import Dispatcher
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
@pytest.mark.parametrize("ahead_ms", [1, 3_250, 5_000])
def test_a_filled_in_countdown_is_celerys_own(encoder: MessageEncoder, kind: str, ahead_ms: int) -> None:
    for _ in range(3):
        task_id, due_ms = new_id(NOON_MS), NOON_MS + ahead_ms
        filled = encoder(task_id, kind, 5, due_ms)
        celerys = Message(filled.queue_key, encoder._encode(task_id, kind, 5, due_ms))
        assert without_tag(filled) == without_tag(celerys)


def test_a_worker_holds_a_countdown_until_its_task_is_due(encoder: MessageEncoder) -> None:
    """Whenever the message is made: of a round that sends thousands, the last one is made later."""
    message = Dispatcher(encoder, 5.0).message(new_id(NOON_MS), "code", 5, NOON_MS + 2_500, NOON_MS)
    eta = json.loads(message.payload)["headers"]["eta"]
    assert datetime.fromisoformat(eta) == datetime.fromtimestamp(NOON_MS / 1000, UTC) + timedelta(seconds=2.5)
