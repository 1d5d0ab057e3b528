"""Listeners are woken, whatever happens to the connection."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
import redis

from app.store.listing import Filters
from app.store.store import Store
from app.store.subscriber import Watch
from app.usecases.events import EventService, Position
from tests.lateness import Lateness
from tests.scarcity import no_more_threads
from tests.servers import RedisServer, wait_until


def test_a_message_wakes_every_listener_of_its_channel(store: Store, raw_redis: redis.Redis) -> None:
    heard: dict[str, list[str | None]] = {"one": [], "two": [], "other": []}
    store.subscriber.subscribe("celeriac:channel", heard["one"].append)
    store.subscriber.subscribe("celeriac:channel", heard["two"].append)
    store.subscriber.subscribe("celeriac:elsewhere", heard["other"].append)
    assert store.subscriber.confirm("celeriac:channel", 15)
    assert store.subscriber.confirm("celeriac:elsewhere", 15)
    assert raw_redis.publish("celeriac:channel", "word") == 1, "all listeners must share one connection"
    wait_until(lambda: heard["one"] and heard["two"], 15, "calls of both listeners")
    assert heard == {"one": ["word"], "two": ["word"], "other": []}


def test_the_thread_is_started_once_there_can_be_one(store: Store) -> None:
    with no_more_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
        store.subscriber.subscribe("celeriac:channel", lambda _: None)
    store.subscriber.subscribe("celeriac:elsewhere", lambda _: None)
    assert store.subscriber.confirm("celeriac:elsewhere", 15)
    assert not store.subscriber.confirm("celeriac:channel", 0), "nobody got that subscription"


def test_a_stream_for_which_there_was_no_thread_leaves_nothing_behind(store: Store) -> None:
    events = EventService(store)
    with no_more_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
        events.of_all(Filters(), "")
    stream = events.of_all(Filters(), "")
    assert isinstance(next(stream), Position)
    stream.close()


def test_a_removed_listener_is_not_called(store: Store, raw_redis: redis.Redis) -> None:
    gone, stays = [], []
    store.subscriber.subscribe("celeriac:channel", gone.append)
    store.subscriber.subscribe("celeriac:channel", stays.append)
    assert store.subscriber.confirm("celeriac:channel", 15)
    store.subscriber.unsubscribe("celeriac:channel", gone.append)
    raw_redis.publish("celeriac:channel", "word")
    wait_until(lambda: stays, 15, "a call of the other listener")
    assert not gone
    store.subscriber.unsubscribe("celeriac:channel", stays.append)
    wait_until(
        lambda: raw_redis.pubsub_numsub("celeriac:channel") == [("celeriac:channel", 0)],
        15,
        "the end of the subscription",
    )
    assert not store.subscriber.confirm("celeriac:channel"), "there is no subscription"


def test_a_watch_sleeps_until_a_notification_or_its_timeout() -> None:
    watch = Watch()
    assert not watch.wait(0.01)
    watch.notify(None)
    assert watch.wait(0)
    assert not watch.wait(0), "each message wakes once"


def test_many_threads_that_subscribe_and_unsubscribe_miss_nothing(store: Store, raw_redis: redis.Redis) -> None:
    """Each thread waits for its own channel, as callers with `Prefer: wait` do. At times no channel is subscribed."""
    missed = []

    def wait(number: int) -> None:
        for turn in range(25):
            channel = f"celeriac:done:{number}:{turn}"
            with store.subscriber.watch(channel) as watch:
                store.subscriber.confirm(channel, 15)
                raw_redis.publish(channel, "x")
                if not watch.wait(15):
                    missed.append(channel)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not missed


def test_closing_ends_the_thread_quietly(redis_url: str) -> None:
    for _ in range(5):
        store = Store.at(redis_url)
        store.subscriber.subscribe("celeriac:channel", lambda _: None)
        assert store.subscriber.confirm("celeriac:channel", 15)
        store.close()
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "subscriber"],
        10,
        "the end of the thread",
    )


def test_after_a_lost_connection_all_listeners_are_called(own_server: RedisServer) -> None:
    store = Store.at(own_server.url)
    heard: list[str | None] = []
    store.subscriber.subscribe("celeriac:channel", heard.append)
    assert store.subscriber.confirm("celeriac:channel", 15)
    own_server.stop()
    with Lateness() as late:
        own_server.start()
        wait_until(lambda: None in heard, 15, "the notification that messages may have been missed")
    assert late.taken_seconds < 5
    with redis.Redis.from_url(own_server.url) as client:
        wait_until(lambda: client.publish("celeriac:channel", "back"), 15, "a new subscription")
    wait_until(lambda: "back" in heard, 15, "a message published after the reconnection")
    store.close()


class _Sent:
    """A connection that accepts all commands."""

    def send_command(self, *words: str, check_health: bool) -> None:
        """Do nothing."""


def test_the_confirmation_of_an_older_subscription_does_not_count_for_the_next(store: Store) -> None:
    """Redis ends the older subscription between the two confirmations, and messages published then are lost."""
    subscriber, watch = store.subscriber, Watch()
    subscriber._thread = threading.current_thread()  # this test reads in its place
    subscriber._connection = cast(Any, _Sent())
    subscriber.subscribe("c", watch.notify)
    subscriber.unsubscribe("c", watch.notify)
    confirmed = subscriber.subscribe("c", watch.notify)
    subscriber._handle(["subscribe", "c", 1])
    subscriber._handle(["unsubscribe", "c", 0])
    assert not confirmed.is_set()
    subscriber._handle(["subscribe", "c", 1])
    assert confirmed.is_set()
    assert subscriber._unconfirmed == {}
    subscriber._connection = None
