"""A plain Celery application: Redis transport as it comes, no result backend."""

from __future__ import annotations

import time

import redis
import requests
from celery import Celery


def make_app(url: str) -> Celery:
    """An application on the server at a unix socket's URL, with all the tasks."""
    app = Celery("bare", set_as_current=False)
    app.conf.update(
        broker_url=f"redis+socket://{url.removeprefix('unix://')}",
        task_ignore_result=True,
        broker_connection_retry_on_startup=True,
    )
    client = redis.Redis.from_url(url)

    @app.task(name="nothing", shared=False)
    def nothing() -> None:
        """Nothing."""

    @app.task(name="run", shared=False)
    def run(body: object) -> None:
        """Whatever a body asks for."""

    @app.task(name="reply", shared=False)
    def reply(key: str) -> None:
        client.lpush(key, b"1")

    @app.task(name="fibo", shared=False)
    def fibo_and_reply(number: int, key: str) -> None:
        client.lpush(key, fibo(number))

    @app.task(name="sleep", shared=False)
    def sleep(seconds: float) -> None:
        time.sleep(seconds)

    @app.task(name="call", shared=False)
    def call(url: str) -> None:
        requests.get(url, timeout=30).json()

    @app.task(name="get", shared=False)
    def get(url: str) -> None:
        requests.get(url, timeout=30).raise_for_status()

    return app


def fibo(number: int) -> int:
    """The same function as in our task."""
    return number if number < 2 else fibo(number - 1) + fibo(number - 2)
