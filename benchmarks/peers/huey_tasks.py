"""A plain Huey with its tasks."""

from __future__ import annotations

import time

import requests
from huey import RedisHuey


def make_huey(url: str) -> RedisHuey:
    """Huey on the server at a URL, with all the tasks."""
    huey = RedisHuey("benchmark", url=url)

    @huey.task(name="nothing")
    def nothing() -> None:
        """Nothing."""

    @huey.task(name="slow_call")
    def slow_call(seconds: float, url: str) -> None:
        time.sleep(seconds)
        requests.get(url, timeout=30).raise_for_status()

    huey.tasks = {"nothing": nothing, "slow_call": slow_call}
    return huey
