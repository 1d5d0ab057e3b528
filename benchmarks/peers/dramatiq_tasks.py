"""A plain Dramatiq broker with its actors."""

from __future__ import annotations

import time

import dramatiq
import redis
import requests
from dramatiq.brokers.redis import RedisBroker


def make_broker(url: str) -> RedisBroker:
    """A broker on the server at a URL, with all the actors."""
    broker = RedisBroker(client=redis.Redis.from_url(url))  # type: ignore[no-untyped-call]

    @dramatiq.actor(broker=broker, actor_name="nothing")
    def nothing() -> None:
        """Nothing."""

    @dramatiq.actor(broker=broker, actor_name="slow_call")
    def slow_call(seconds: float, url: str) -> None:
        time.sleep(seconds)
        requests.get(url, timeout=30).raise_for_status()

    return broker
