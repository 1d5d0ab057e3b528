"""A plain Huey with its tasks."""

from __future__ import annotations

import requests
from huey import RedisHuey


def make_huey(url: str) -> RedisHuey:
    """Huey on the server at a URL, with all the tasks."""
    huey = RedisHuey("benchmark", url=url)

    @huey.task(name="nothing")
    def nothing() -> None:
        """Nothing."""

    @huey.task(name="get")
    def get(url: str) -> None:
        requests.get(url, timeout=30).raise_for_status()

    huey.tasks = {"nothing": nothing, "get": get}
    return huey
