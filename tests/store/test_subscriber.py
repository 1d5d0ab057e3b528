"""Who listens is woken, whatever happens to the connection."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import redis

from app.store.store import Store
from app.store.subscriber import Watch
from tests.servers import RedisServer, wait_until


def test_a_message_wakes_every_listener_of_its_channel(store: Store, raw_redis: redis.Redis) -> None:
    heard: dict[str, list[str | None]] = {"one": [], "two": [], "other": []}
    store.subscriber.subscribe("channel", heard["one"].append)
    store.subscriber.subscribe("channel", heard["two"].append)
    store.subscriber.subscribe("elsewhere", heard["other"].append)
    assert store.subscriber.confirm("channel")
    assert store.subscriber.confirm("elsewhere")
    assert raw_redis.publish("channel", "word") == 1, "one connection, however many listen"
    wait_until(lambda: heard["one"] and heard["two"], 5, "both were called")
    assert heard == {"one": ["word"], "two": ["word"], "other": []}


def test_who_no_longer_listens_is_not_called(store: Store, raw_redis: redis.Redis) -> None:
    gone, stays = [], []
    store.subscriber.subscribe("channel", gone.append)
    store.subscriber.subscribe("channel", stays.append)
    assert store.subscriber.confirm("channel")
    store.subscriber.unsubscribe("channel", gone.append)
    raw_redis.publish("channel", "word")
    wait_until(lambda: stays, 5, "the other was called")
    assert not gone
    store.subscriber.unsubscribe("channel", stays.append)
    wait_until(lambda: raw_redis.pubsub_numsub("channel") == [("channel", 0)], 5, "the subscription ended")
    assert not store.subscriber.confirm("channel"), "nobody has subscribed"


def test_a_watch_sleeps_until_something_happens_or_the_time_is_over() -> None:
    watch = Watch()
    assert not watch.wait(0.01)
    watch.notify(None)
    assert watch.wait(0)
    assert not watch.wait(0), "each word wakes once"


def test_many_threads_that_come_and_go_miss_nothing(store: Store, raw_redis: redis.Redis) -> None:
    """Each waits for a channel of its own, as callers with `Prefer: wait` do: at times nobody listens at all."""
    missed = []

    def wait(number: int) -> None:
        for turn in range(25):
            channel = f"done:{number}:{turn}"
            with store.subscriber.watch(channel) as watch:
                store.subscriber.confirm(channel)
                raw_redis.publish(channel, "x")
                if not watch.wait(3):
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
        store.subscriber.subscribe("channel", lambda _: None)
        assert store.subscriber.confirm("channel")
        store.close()
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "subscriber"], 10, "no thread is left"
    )


def test_after_a_lost_connection_everybody_is_told_to_look_again(own_server: RedisServer) -> None:
    store = Store.at(own_server.url)
    heard: list[str | None] = []
    store.subscriber.subscribe("channel", heard.append)
    assert store.subscriber.confirm("channel")
    own_server.stop()
    began = time.monotonic()
    own_server.start()
    wait_until(lambda: None in heard, 10, "a word that something may have been missed")
    assert time.monotonic() - began < 5
    with redis.Redis.from_url(own_server.url) as client:
        wait_until(lambda: client.publish("channel", "back"), 5, "a new subscription")
    wait_until(lambda: "back" in heard, 5, "what was said after the return")
    store.close()


class _Sent:
    """A connection that takes what is sent."""

    def send_command(self, *words: str, check_health: bool) -> None:
        """Nothing."""


def test_the_confirmation_of_an_older_subscription_does_not_count_for_the_next(store: Store) -> None:
    """Between the two Redis ends the older one: what is said then is heard by nobody."""
    subscriber, watch = store.subscriber, Watch()
    subscriber._thread = threading.current_thread()  # what it would read is read here
    subscriber._connection = cast(Any, _Sent())
    subscriber.subscribe("c", watch.notify)
    subscriber.unsubscribe("c", watch.notify)
    confirmed = subscriber.subscribe("c", watch.notify)
    subscriber._handle(["subscribe", "c", 1])
    subscriber._handle(["unsubscribe", "c", 0])
    assert not confirmed.is_set()
    subscriber._handle(["subscribe", "c", 1])
    assert confirmed.is_set()
    assert subscriber._asked == {}
    subscriber._connection = None
