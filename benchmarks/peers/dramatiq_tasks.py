"""A plain Dramatiq broker with its actors."""

from __future__ import annotations

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

    @dramatiq.actor(broker=broker, actor_name="get")
    def get(url: str) -> None:
        requests.get(url, timeout=30).raise_for_status()

    return broker
