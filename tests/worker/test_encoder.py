"""The encoder's messages are Celery's own: an unmodified worker takes them, and kombu writes the same parts."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection, Exchange, Queue

from app.domain.kinds import QUEUES
from app.messaging.encoder import MessageEncoder
from app.messaging.queues import celery_priority
from app.store.keys import PREFIX, Keys
from app.store.messages import EXECUTE, Message
from celery_app import TRANSPORT_OPTIONS, celery
from tests.conftest import NOON_MS
from tests.lateness import Lateness
from tests.servers import CeleryProcess, wait_until

#: A plain Celery app that shares nothing with ours but the broker's options.
PLAIN_APP = """
import os, time
import redis
from celery import Celery
from kombu import Exchange, Queue

app = Celery("plain", broker=os.environ["BROKER"])
app.conf.update(
    broker_transport_options={options!r},
    task_ignore_result=True,
    task_queues=[Queue(name, Exchange(""), routing_key=name) for name in {queues!r}],
    worker_prefetch_multiplier=1,
    task_acks_late=True,
)
client = redis.Redis.from_url(os.environ["REDIS_URL"])

@app.task(name={name!r}, bind=True)
def execute(self, task_id):
    assert self.request.id == task_id
    client.rpush("ran", f"{{task_id}} {{time.time()}}")
"""


def broker_url(redis_url: str) -> str:
    return "redis+socket://" + redis_url.removeprefix("unix://").partition("?")[0]


@pytest.fixture
def encoder(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> MessageEncoder:
    monkeypatch.setenv("REDIS_URL", redis_url)  # Celery's configuration needs a broker
    return MessageEncoder(Keys())


def send(raw: redis.Redis, message: Message) -> None:
    raw.lpush(message.queue_key, message.payload)


def ran(raw: redis.Redis) -> dict[str, float]:
    """task id -> the time when it ran, in the order of execution."""
    return {task_id: float(at) for task_id, at in (entry.split() for entry in raw.lrange("ran", 0, -1))}


@pytest.fixture(params=["threads", "prefork"])
def plain_worker(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Iterator[Any]:
    """Starts an unmodified worker that runs one task at a time."""
    started: list[CeleryProcess] = []

    def start() -> CeleryProcess:
        source = PLAIN_APP.format(options=TRANSPORT_OPTIONS, queues=list(QUEUES.values()), name=EXECUTE)
        (tmp_path / "plain_app.py").write_text(source)
        words = ("worker", "--loglevel=info", "--pool", request.param, "--concurrency", "1")
        worker = CeleryProcess(tmp_path, redis_url, *words, app="plain_app:app", BROKER=broker_url(redis_url))
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


def test_an_unmodified_worker_takes_every_message_in_the_order_of_priority(
    raw_redis: redis.Redis, encoder: MessageEncoder, plain_worker: Any
) -> None:
    sent = {}
    for kind in QUEUES:
        for priority in (3, 9, 0, 5, 1, 7, 2, 8, 4, 6):
            for _ in range(2):
                task_id = str(uuid.uuid4())
                sent[task_id] = kind, priority
                send(raw_redis, encoder(task_id, kind, priority, None))
    plain_worker()
    wait_until(lambda: len(ran(raw_redis)) == len(sent), 30, "all messages")
    order = list(ran(raw_redis))
    assert sorted(order) == sorted(sent)
    for kind in QUEUES:
        served = [task_id for task_id in order if sent[task_id][0] == kind]
        expected = sorted((t for t in sent if sent[t][0] == kind), key=lambda task_id: -sent[task_id][1])
        assert served == expected, "the highest first, and within one priority first in, first out"
    assert raw_redis.keys(f"{PREFIX}*unacked*") == []


def test_an_unmodified_worker_keeps_a_countdown(
    raw_redis: redis.Redis, encoder: MessageEncoder, plain_worker: Any
) -> None:
    worker = plain_worker()
    worker.wait_for(" ready.")
    began_ms = round(time.time() * 1000)
    sent = {str(uuid.uuid4()): began_ms + ahead_ms for ahead_ms in (400, 1_200)}
    for task_id, due_ms in sent.items():
        send(raw_redis, encoder(task_id, "code", 5, due_ms))
    with Lateness() as lateness:
        wait_until(lambda: len(ran(raw_redis)) == len(sent), 20, "all messages")
    late = {task_id: at - sent[task_id] / 1000 for task_id, at in ran(raw_redis).items()}
    assert all(0 <= seconds < 1 + lateness.seconds for seconds in late.values()), late


# --- the form ------------------------------------------------------------------------------------


@pytest.fixture
def published(redis_url: str, raw_redis: redis.Redis) -> Any:
    """The list's key and the message that kombu itself writes for the same call."""

    def publish(task_id: str, kind: str, priority: int, eta: datetime | None) -> tuple[str, dict[str, Any]]:
        name = QUEUES[kind]
        with Connection(broker_url(redis_url), transport_options=TRANSPORT_OPTIONS) as connection:
            Queue(name, Exchange(""), routing_key=name, channel=connection.default_channel).declare()
            producer = celery.amqp.Producer(connection.default_channel, auto_declare=False)
            celery.signature(EXECUTE).apply_async(
                (task_id,),
                task_id=task_id,
                queue=name,
                eta=eta,
                priority=celery_priority(priority),
                producer=producer,
                argsrepr="",
                kwargsrepr="",
            )
        (key,) = raw_redis.keys(f"{PREFIX}celeriac.*")
        message = json.loads(raw_redis.lindex(key, 0))
        for option in ("argsrepr", "kwargsrepr"):  # a worker reads them from the headers
            del message["properties"][option]
        return key, message

    return publish


@pytest.mark.parametrize(
    ("due_ms", "eta"),
    [
        (None, None),
        (NOON_MS + 2_501, datetime(2026, 11, 23, 8, 30, 2, 501_000, UTC)),
        (NOON_MS, datetime(2026, 11, 23, 8, 30, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize(("kind", "priority"), [("code", 9), ("code", 5), ("api", 0)])
def test_a_message_has_the_list_and_the_parts_that_kombu_gives_it(
    encoder: MessageEncoder,
    published: Any,
    kind: str,
    priority: int,
    due_ms: int | None,
    eta: datetime | None,
) -> None:
    task_id = str(uuid.uuid4())
    ours = encoder(task_id, kind, priority, due_ms)
    key, theirs = published(task_id, kind, priority, eta)
    assert ours.queue_key == key
    mine = json.loads(ours.payload)
    args, kwargs, embedded = json.loads(base64.b64decode(theirs["body"]))
    assert json.loads(mine.pop("body")) == [args, kwargs, {name: e for name, e in embedded.items() if e is not None}]
    assert mine.pop("content-type") == theirs["content-type"]
    headers, properties = mine.pop("headers"), mine.pop("properties")
    assert mine == {}
    assert properties.pop("delivery_tag") != theirs["properties"]["delivery_tag"]
    assert properties == {"delivery_info": theirs["properties"]["delivery_info"]}
    assert headers.pop("eta", None) == theirs["headers"]["eta"]
    assert headers == {name: theirs["headers"][name] for name in ("task", "id")}


def test_a_message_is_short(encoder: MessageEncoder) -> None:
    assert len(encoder(str(uuid.uuid4()), "code", 5, None).payload) <= 280
