"""The Redis on which a command works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.launch.command_output import say
from app.launch.embedded_redis import EmbeddedServer
from app.launch.redis_location import find_redis_url, shown_url
from app.settings import Settings, SettingsError
from app.store.client import Client, connect_raw


@contextmanager
def redis_for_command(settings: Settings) -> Iterator[str]:
    """The URL of the Redis that Celeriac uses; if none is running, of the embedded one, for as long as the block takes.

    Says which it is. Raises SettingsError, RedisServerError.
    """
    found = find_redis_url(settings)
    server = None
    if found is None:
        server = EmbeddedServer(settings, say)
        server.start()
        found = server.url, f"embedded, in {settings.var_dir}"
    url, why = found
    try:
        say(f"Redis: {shown_url(url)} ({why})")
        yield url
    finally:
        if server is not None:
            server.stop()


def connect_to(url: str) -> Client:
    """`connect_raw` for a URL that an operator has set. Raises SettingsError if it is unusable."""
    try:
        return connect_raw(url)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL can't be used: {error}") from error
