"""GET /api/events and GET /api/tasks/{id}/events: each event once and in order, resumption, limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pytest
import redis
from flask import Flask

from app.api import events as views
from app.api import responses
from app.domain.outcome import Failure
from app.domain.status import Status
from app.settings import ApiKey, Settings
from app.store import subscriber
from app.store.events import CHANGES_PER_CALL as PAGE
from app.store.events import StatusEvent
from app.store.listing import Filters
from app.store.messages import NO_MESSAGE
from app.store.store import Store
from app.usecases import events as usecase
from app.usecases.events import AnyEvent, EventService, Position, Stream, _Feed
from tests.api.calls import BASE_URL, CODE, UNKNOWN_ID, Api, PlayedWorker
from tests.api.conftest import MakeWeb, web_on
from tests.conftest import REPLY_TIMEOUT_SECONDS, VirtualClock
from tests.servers import wait_until

LOST = Failure("WorkerLostError", "the worker was lost")
READ_KEY = "read-key-0123456789abcdef0123456789abcdef"
MODELS = {"status": responses.StatusEvent, "stdout": responses.OutputPiece, "reset": responses.Reset}


@dataclass(frozen=True)
class Event:
    """One event as a client sees it. A comment has the name ":"."""

    name: str
    id: str
    data: dict[str, Any]


def events_in(chunks: Iterator[bytes]) -> Iterator[Event]:
    """The events and comments of a stream, without its first lines, which only hold the position."""
    text = ""
    for chunk in chunks:
        text += chunk.decode()
        while "\n\n" in text:
            block, _, text = text.partition("\n\n")
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if block == ":":
                yield Event(":", "", {})
            elif "event" in lines:
                yield Event(lines["event"], lines["id"], json.loads(lines["data"]))


@contextmanager
def stream(web: Flask, path: str, last_event_id: str | None = None, **headers: str) -> Iterator[Iterator[Event]]:
    """An open stream, whose events can be taken one by one; closed at the end, as when the client goes away."""
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    response = web.test_client().open(path, base_url=BASE_URL, headers={"Accept": "text/event-stream", **headers})
    assert response.status_code == 200, response.text
    assert response.content_type == "text/event-stream"
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-store", "no")
    try:
        yield events_in(iter(response.response))  # type: ignore[arg-type]  # bytes, from a server
    finally:
        response.close()


def taken(events: Iterator[Event], number: int) -> list[Event]:
    return [next(events) for _ in range(number)]


def next_of(events: Iterator[Event]) -> Event:
    """The next event that is no comment, unless there are only comments for long."""
    return next(event for event in islice(events, 300) if event.name != ":")


def moves(events: list[Event]) -> list[tuple[str | None, str]]:
    return [(event.data["from"], event.data["to"]) for event in events]


def with_silence(web: Flask, store: Store, seconds: float) -> Flask:
    """An application whose streams show a sign of life after a shorter time."""
    context = web.extensions["celeriac"]
    return web_on(replace(context, events=EventService(store, silence_seconds=seconds)))


@pytest.fixture
def keeps_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The subscriber waits for Redis for as long as a busy machine may let it stand still."""
    monkeypatch.setattr(subscriber, "_PING_TIMEOUT_SECONDS", REPLY_TIMEOUT_SECONDS)


# --- one task ------------------------------------------------------------------------------------------


def test_a_task_is_followed_from_its_creation_to_its_end(
    web: Flask, api: Api, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = api.create()["id"]
    with stream(web, f"/api/tasks/{task_id}/events") as events:
        first = next(events)
        clock.advance(5)
        worker.succeed(task_id, stdout="hello\n")
        rest = list(events)
    assert first.data["from"] is None
    history = api.get(f"/api/tasks/{task_id}").get_json()["history"]
    assert [event.data for event in [first, *rest] if event.name == "status"] == history
    assert [event.data["text"] for event in rest if event.name == "stdout"] == ["hello\n"]
    assert rest[-1].data["to"] == "succeeded"


def test_a_finished_task_resumes_at_every_event(web: Flask, api: Api, worker: PlayedWorker) -> None:
    task_id = api.create()["id"]
    worker.succeed(task_id, stdout="größer\n" * 10_000)  # all in one ms of the virtual clock, and several pieces
    path = f"/api/tasks/{task_id}/events"
    with stream(web, path) as events:
        everything = list(events)
    assert len({event.id for event in everything}) == len(everything) > 5
    for place, event in enumerate(everything[:-1]):
        with stream(web, path, event.id) as events:
            assert list(events) == everything[place + 1 :]
    assert "".join(event.data.get("text", "") for event in everything) == "größer\n" * 10_000
    gone = web.test_client().get(path, base_url=BASE_URL, headers={"Last-Event-ID": everything[-1].id})
    assert (gone.status_code, gone.data) == (204, b"")


def test_a_task_resumes_at_every_event_though_its_workers_clock_is_behind(
    web: Flask, api: Api, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = api.create()["id"]
    clock.advance(-1)
    attempt = worker.start(task_id)
    clock.advance(1)
    worker.end_stopped(attempt)  # in the ms of its creation
    path = f"/api/tasks/{task_id}/events"
    with stream(web, path) as events:
        everything = list(events)
    assert moves(everything) == [(None, "queued"), ("queued", "running"), ("running", "stopped")]
    for place, event in enumerate(everything[:-1]):
        with stream(web, path, event.id) as events:
            assert list(events) == everything[place + 1 :]
    gone = web.test_client().get(path, base_url=BASE_URL, headers={"Last-Event-ID": everything[-1].id})
    assert (gone.status_code, gone.data) == (204, b"")


@pytest.mark.parametrize("last", ["", "x", "1.2", "9" * 500, "1.1.99999999", "-1.0.0", "5-0"])
def test_a_position_that_means_nothing_starts_at_the_beginning(
    web: Flask, api: Api, worker: PlayedWorker, last: str
) -> None:
    task_id = api.create()["id"]
    worker.succeed(task_id, stdout="é")
    with stream(web, f"/api/tasks/{task_id}/events", last) as events:
        found = list(events)
    assert moves([event for event in found if event.name == "status"]) == [
        (None, "queued"),
        ("queued", "running"),
        ("running", "succeeded"),
    ]
    assert [event.data["text"] for event in found if event.name == "stdout"] == ["é"]


def test_output_arrives_while_the_task_runs_and_starts_afresh_with_each_attempt(
    web: Flask, api: Api, store: Store, worker: PlayedWorker, clock: VirtualClock
) -> None:
    task_id = api.create(max_retries=1)["id"]
    attempt = worker.start(task_id)
    with stream(web, f"/api/tasks/{task_id}/events") as events:
        assert moves(taken(events, 2)) == [(None, "queued"), ("queued", "running")]
        assert store.events.write_output(task_id, attempt.epoch, 0, "één ")
        first = next(events)
        assert store.events.write_output(task_id, attempt.epoch, 6, "twee")
        second = next(events)
        assert (first.data["text"], second.data["text"]) == ("één ", "twee")
        assert api.get(f"/api/tasks/{task_id}").get_json()["stdout"] == "één twee"
        clock.advance(16_000)
        (lost,) = store.recovery.expired_leases(clock(), 10)
        assert store.recovery.take_back(lost, clock(), NO_MESSAGE, 3, LOST, {}) == "queued"
        clock.advance(10)
        again = worker.start(task_id)
        assert not store.events.write_output(task_id, attempt.epoch, 10, "late"), "the attempt is over"
        assert store.events.write_output(task_id, again.epoch, 0, "anew")
        rest = taken(events, 3)
    assert moves(rest[:2]) == [("running", "queued"), ("queued", "running")]
    assert rest[2].data["text"] == "anew"
    with stream(web, f"/api/tasks/{task_id}/events", first.id) as events:
        resumed = taken(events, 3)
    assert moves(resumed[:2]) == [("running", "queued"), ("queued", "running")]
    assert resumed[2].data["text"] == "anew", "the offset of the first attempt means nothing in the second"


def test_a_deleted_task_ends_its_stream(web: Flask, api: Api) -> None:
    task_id = api.create(task_type="delayed", delay_seconds=60)["id"]
    with stream(web, f"/api/tasks/{task_id}/events") as events:
        assert next(events).data["to"] == "waiting"
        api.delete(f"/api/tasks/{task_id}")
        assert list(events) == []


def test_an_unknown_task_is_404_and_an_unknown_parameter_422(api: Api) -> None:
    assert api.get(f"/api/tasks/{UNKNOWN_ID}/events").status_code == 404
    assert api.get("/api/tasks/none/events").status_code == 404
    assert api.get(f"/api/tasks/{UNKNOWN_ID}/events?status=failed").status_code == 422
    assert api.get("/api/events?status=nothing&x=1").status_code == 422


# --- all tasks -----------------------------------------------------------------------------------------


def test_every_change_of_every_task_is_streamed_once(web: Flask, api: Api, worker: PlayedWorker) -> None:
    with stream(web, "/api/events") as events:
        done = api.create(name="größer/☃", tags=["a", "b"])["id"]
        worker.succeed(done)
        stopped = api.create(api_url="http://target.test/")["id"]
        api.post(f"/api/tasks/{stopped}/stop")
        found = taken(events, 5)
    for event in found:
        MODELS[event.name].model_validate(event.data)
    assert [(event.data["task_id"], event.data["to"]) for event in found] == [
        (done, "queued"),
        (done, "running"),
        (done, "succeeded"),
        (stopped, "queued"),
        (stopped, "stopped"),
    ]
    assert (found[0].data["name"], found[0].data["tags"], found[0].data["from"]) == ("größer/☃", ["a", "b"], None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=succeeded", ["first succeeded", "second succeeded"]),
        ("name=first", ["first queued", "first running", "first succeeded"]),
        ("name=sec*&status=running", ["second running"]),
        ("name=*CON*&status=queued", ["second queued"]),
        ("tag=red", ["second queued", "second running", "second succeeded"]),
        ("kind=api", ["call queued"]),
        ("task_type=delayed", ["later waiting"]),
    ],
)
def test_filters_select_live_and_when_resuming(
    web: Flask, api: Api, worker: PlayedWorker, query: str, expected: list[str]
) -> None:
    with stream(web, "/api/events") as everything, stream(web, f"/api/events?{query}") as events:
        worker.succeed(api.create(name="first")["id"])
        worker.succeed(api.create(name="second", tags=["red"])["id"])
        api.create(name="call", api_url="http://target.test/")
        api.create(name="later", task_type="delayed", delay_seconds=60)
        names = [f"{event.data['name']} {event.data['to']}" for event in taken(events, len(expected))]
        first = next(everything)
    assert names == expected
    with stream(web, f"/api/events?{query}", first.id) as events:
        resumed = taken(events, len([name for name in expected if name != "first queued"]))
    assert [f"{event.data['name']} {event.data['to']}" for event in resumed] == [
        name for name in expected if name != "first queued"
    ]


def test_a_scheduled_tasks_runs_can_be_followed(web: Flask, api: Api) -> None:
    schedule_id = api.schedule()["id"]
    with stream(web, f"/api/events?scheduled_task_id={schedule_id}") as events:
        api.create()
        task_id = api.post(f"/api/scheduled-tasks/{schedule_id}/run").get_json()["id"]
        event = next(events)
    assert (event.data["task_id"], event.data["scheduled_task_id"]) == (task_id, schedule_id)


def test_a_client_that_reconnects_misses_nothing_and_gets_nothing_twice(
    web: Flask, api: Api, raw_redis: redis.Redis
) -> None:
    ids, seen, last = [], [], None
    for _ in range(5):
        with stream(web, "/api/events", last) as events:
            ids.append(api.create()["id"])
            event = next(events)
            while event.data["task_id"] != ids[-1]:
                seen.append(event)
                event = next(events)
            seen.append(event)
        last = event.id
        ids.append(api.create()["id"])  # while it is away
    assert [event.data["task_id"] for event in seen] == ids[:-1]


def test_a_client_that_comes_too_late_is_told(web: Flask, api: Api, raw_redis: redis.Redis) -> None:
    with stream(web, "/api/events") as events:
        api.create()
        last = next(events).id
    raw_redis.delete("celeriac:events:since")  # as when two minutes have passed
    api.create()
    with stream(web, "/api/events", last) as events:
        reset = next(events)
        task_id = api.create()["id"]
        assert next(events).data["task_id"] == task_id
    assert (reset.name, list(reset.data)) == ("reset", ["reason"])


def test_the_first_change_comes_after_the_start_of_its_recording_even_in_the_same_millisecond(
    store: Store, raw_redis: redis.Redis
) -> None:
    start = store.events.record().end
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        raw_redis.xadd(store.keys.events, {"event": ""}, id=start)
    assert store.events.after("") == []


@pytest.mark.parametrize("last", ["99999999999999-0", "1-1"])
def test_a_position_of_another_recording_is_a_gap(web: Flask, api: Api, last: str) -> None:
    with stream(web, "/api/events", last) as events:
        assert next(events).name == "reset"
        task_id = api.create()["id"]
        assert next(events).data["task_id"] == task_id


def test_nothing_is_recorded_while_nobody_listens(api: Api, worker: PlayedWorker, raw_redis: redis.Redis) -> None:
    worker.succeed(api.create()["id"])
    assert raw_redis.keys("celeriac:events*") == []


def test_what_is_recorded_ends_by_itself(web: Flask, api: Api, raw_redis: redis.Redis) -> None:
    with stream(web, "/api/events"):
        api.create()
    assert all(0 < int(str(raw_redis.ttl(key))) <= 120 for key in ("celeriac:events", "celeriac:events:since"))


def test_a_stream_survives_the_loss_of_its_connection(web: Flask, api: Api, raw_redis: redis.Redis) -> None:
    with stream(web, "/api/events") as events:
        first = api.create()["id"]
        raw_redis.client_kill_filter(_type="pubsub")
        second = api.create()["id"]
        assert [event.data["task_id"] for event in taken(events, 2)] == [first, second]


# --- changes while a stream catches up -----------------------------------------------------------------


def record_changes(raw_redis: redis.Redis, number: int) -> None:
    """Record changes as `announce` does, without a word to open streams: they find them when they catch up."""
    key = "celeriac:events"
    ((_, fields),) = raw_redis.xrevrange(key, count=1)  # type: ignore[misc, union-attr]  # a list, from a plain client
    with raw_redis.pipeline(transaction=False) as pipeline:
        for _ in range(number):
            pipeline.xadd(key, fields, maxlen=10_000)
        pipeline.execute()


@contextmanager
def catching_up(web: Flask, api: Api, raw_redis: redis.Redis) -> Iterator[Iterator[Event]]:
    """A stream that has read the first of two pages of recorded changes, and shown the first of them."""
    with stream(web, "/api/events") as events:
        api.create()
        last = next(events).id
    record_changes(raw_redis, 2 * PAGE)
    with stream(web, "/api/events", last) as events:
        assert next(events).name == "status"
        yield events


def test_changes_that_are_trimmed_while_a_stream_catches_up_are_a_gap(
    web: Flask, api: Api, raw_redis: redis.Redis
) -> None:
    with catching_up(web, api, raw_redis) as events:
        record_changes(raw_redis, 10_000 + PAGE)
        assert [event.name for event in taken(events, PAGE)] == ["status"] * (PAGE - 1) + ["reset"]
        task_id = api.create()["id"]
        assert next(events).data["task_id"] == task_id


def test_a_recording_that_ends_while_a_stream_catches_up_is_a_gap(web: Flask, api: Api, raw_redis: redis.Redis) -> None:
    with catching_up(web, api, raw_redis) as events:
        raw_redis.delete("celeriac:events:since")  # as when two minutes have passed
        api.create()
        assert [event.name for event in taken(events, PAGE)] == ["status"] * (PAGE - 1) + ["reset"]
        task_id = api.create()["id"]
        assert next(events).data["task_id"] == task_id


def test_a_stream_that_catches_up_keeps_the_recording_up(web: Flask, api: Api, raw_redis: redis.Redis) -> None:
    with catching_up(web, api, raw_redis) as events:
        raw_redis.expire("celeriac:events:since", 60)
        assert [event.name for event in taken(events, PAGE)] == ["status"] * PAGE
        assert int(str(raw_redis.ttl("celeriac:events:since"))) > 60


def test_a_stream_that_catches_up_ends_when_the_service_is_closed(web: Flask, api: Api, raw_redis: redis.Redis) -> None:
    with catching_up(web, api, raw_redis) as events:
        web.extensions["celeriac"].events.close()
        assert len(list(events)) == PAGE - 1, "what it has read is shown, and no more is read"


# --- changes that were not recorded --------------------------------------------------------------------


@pytest.mark.parametrize("is_recorded_again", [False, True])
def test_open_streams_are_told_that_the_recording_had_ended(
    web: Flask, api: Api, store: Store, raw_redis: redis.Redis, is_recorded_again: bool
) -> None:
    web = with_silence(web, store, 0.05)
    with stream(web, "/api/events") as first, stream(web, "/api/events") as second:
        raw_redis.delete("celeriac:events:since")  # as when the process has been paused for two minutes
        api.create()
        if is_recorded_again:  # by another process, which was resumed earlier
            store.events.record()
            api.create()
        assert [next(first).name, next(second).name] == ["reset"] * 2
        task_id = api.create()["id"]
        assert [next_of(first).data["task_id"], next_of(second).data["task_id"]] == [task_id] * 2


@pytest.mark.usefixtures("keeps_connected")
def test_a_stream_is_told_late_if_it_has_shown_changes_of_the_next_recording(
    web: Flask, api: Api, store: Store, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usecase, "_RECORD_SECONDS", 1e9)
    with stream(web, "/api/events") as events:
        raw_redis.delete("celeriac:events:since")
        api.create()
        store.events.record()
        task_id = api.create()["id"]
        assert next(events).data["task_id"] == task_id
        monkeypatch.setattr(usecase, "_RECORD_SECONDS", 0.0)
        api.create()
        assert next(events).name == "reset"
        task_id = api.create()["id"]
        assert next(events).data["task_id"] == task_id


# --- the position of a stream whose filters leave changes out ------------------------------------------


@contextmanager
def quiet(store: Store, status: Status, last_event_id: str = "") -> Iterator[tuple[Stream[AnyEvent], _Feed]]:
    """A stream of the changes to a status, right after its first sign of life, and its feed."""
    service = EventService(store, silence_seconds=0.05)
    with closing(service.of_all(Filters(status=status), last_event_id)) as events:
        assert isinstance(next(events), Position)
        assert next(events) is None
        (feed,) = service._feeds._all()
        yield events, feed


def wait_until_heard(feed: _Feed, event_id: str) -> None:
    wait_until(lambda: feed._newest == event_id, 15, "the message of the newest change")


@pytest.mark.usefixtures("keeps_connected")
def test_a_silent_stream_tells_how_far_it_is_and_resumes_from_there(
    api: Api, store: Store, raw_redis: redis.Redis
) -> None:
    with quiet(store, Status.FAILED) as (events, feed):
        api.create()
        record_changes(raw_redis, 10_000)
        api.create()
        newest = store.events.record().newest
        wait_until_heard(feed, newest)
        assert next(events) == Position(newest)
        assert [next(events), next(events)] == [None, None], "a comment each time, and the position once"
    api.create()
    with quiet(store, Status.FAILED, newest):  # the next it shows is a comment, not a gap
        pass


@pytest.mark.usefixtures("keeps_connected")
def test_a_position_comes_after_the_events_that_wait(api: Api, store: Store, worker: PlayedWorker) -> None:
    with quiet(store, Status.RUNNING) as (events, feed):
        worker.succeed(api.create()["id"])
        newest = store.events.record().newest
        wait_until_heard(feed, newest)
        event = next(events)
        assert isinstance(event, StatusEvent)
        assert event.change.after is Status.RUNNING
        assert [next(events), next(events)] == [None, Position(newest)]


def test_a_position_passes_over_no_event_that_has_overflowed(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usecase, "QUEUE_LENGTH", 1)
    with quiet(store, Status.QUEUED) as (events, feed):
        for _ in range(2):
            api.create()
        wait_until(lambda: feed.has_overflowed, 15, "the queue overflows")
        assert list(events) == []


@pytest.mark.usefixtures("keeps_connected")
def test_a_change_that_redis_has_lost_is_no_position(
    api: Api, store: Store, worker: PlayedWorker, raw_redis: redis.Redis
) -> None:
    """A failover may lose the newest changes. Those that follow may get lesser ids, and must be shown."""
    with quiet(store, Status.RUNNING) as (events, feed):
        task_id = api.create()["id"]
        ((_, fields),) = raw_redis.xrevrange("celeriac:events", count=1)  # type: ignore[misc, union-attr]
        raw_redis.publish("celeriac:events", f"99999999999999-0 {fields['event']}")
        wait_until_heard(feed, "99999999999999-0")
        raw_redis.client_kill_filter(_type="pubsub")
        wait_until(lambda: feed.is_behind, 15, "the loss of the connection")
        assert [next(events), next(events)] == [None, None]
        worker.start(task_id)
        event = next(event for event in islice(events, 300) if event is not None)
        assert isinstance(event, StatusEvent)
        assert event.change.after is Status.RUNNING


# --- limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/events", "/api/tasks/{}/events"])
def test_a_silent_stream_shows_a_sign_of_life(web: Flask, api: Api, store: Store, path: str) -> None:
    task_id = api.create()["id"]
    with stream(with_silence(web, store, 0.05), path.format(task_id)) as events:
        found = taken(events, 4)
    assert [event.name for event in found][-3:] == [":"] * 3


def test_a_slow_reader_is_cut_and_resumes(
    web: Flask, api: Api, raw_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usecase, "QUEUE_LENGTH", 3)
    with stream(web, "/api/events") as events:
        ids = [api.create()["id"]]
        first = next(events)
        ids += [api.create()["id"] for _ in range(8)]
        wait_until(lambda: has_overflowed(web), 15, "the queue overflows")
        assert list(events) == [], "it is cut"
    with stream(web, "/api/events", first.id) as events:
        assert [event.data["task_id"] for event in taken(events, 8)] == ids[1:]


def has_overflowed(web: Flask) -> bool:
    return any(feed.has_overflowed for feed in web.extensions["celeriac"].events._feeds._all())


def test_streams_and_waits_share_the_places_and_a_closed_one_gives_its_place_back(make_web: MakeWeb, api: Api) -> None:
    web = make_web(Settings(api_threads=8, max_event_streams=3))
    task_id = api.create()["id"]
    with stream(web, "/api/events"), stream(web, f"/api/tasks/{task_id}/events"):
        with stream(web, "/api/events"):
            full = Api(web).get("/api/events")
            assert (full.status_code, full.get_json()["type"]) == (503, "urn:celeriac:problem:full")
            assert int(full.headers["Retry-After"]) > 0
            assert Api(web).post("/api/tasks", CODE).status_code == 201
        with stream(web, "/api/events"), web.extensions["celeriac"].holding(1.0) as granted:
            assert granted == 1.0
            with web.extensions["celeriac"].holding(1.0) as beyond:
                assert beyond == 0.0
    for _ in range(10):
        assert web.test_client().head("/api/events", base_url=BASE_URL).status_code == 200
        with stream(web, "/api/events"):
            pass


def test_streams_end_when_the_service_is_closed(web: Flask, api: Api) -> None:
    task_id = api.create()["id"]
    with stream(web, "/api/events") as all_events, stream(web, f"/api/tasks/{task_id}/events") as events:
        next(events)
        web.extensions["celeriac"].events.close()
        assert [event for event in (*all_events, *events) if event.name != ":"] == []


def test_an_old_stream_ends_so_that_its_key_is_checked_again(
    web: Flask, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stream(web, "/api/events") as events:
        api.create()
        last = next(events).id
    task_id = api.create()["id"]
    monkeypatch.setattr(views, "STREAM_SECONDS", 0.0)
    with stream(web, "/api/events", last) as events:
        found = list(events)
    assert found == [], "only its position was sent"
    monkeypatch.undo()
    with stream(web, "/api/events", last) as events:
        assert next(events).data["task_id"] == task_id


def test_a_stream_needs_a_key_and_serves_only_clients_that_accept_it(make_web: MakeWeb) -> None:
    guarded = make_web(Settings(api_keys=(ApiKey("r", "read", READ_KEY),)))
    assert Api(guarded).get("/api/events").status_code == 401
    assert Api(guarded).get(f"/api/events?key={READ_KEY}").status_code == 401
    with stream(guarded, "/api/events", Authorization=f"Bearer {READ_KEY}"):
        pass
    reader = Api(guarded, {"X-API-Key": READ_KEY})
    assert reader.get("/api/events", headers={"Accept": "text/html"}).status_code == 406
    assert reader.get("/api/tasks", headers={"Accept": "text/event-stream"}).status_code == 406
