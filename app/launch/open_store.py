"""The store behind a URL that an operator has set."""

from __future__ import annotations

from app.settings import SettingsError
from app.store.store import Store


def open_store(redis_url: str, max_connections: int = 1) -> Store:
    """The store behind a Redis URL. Raises SettingsError if the URL can't be used."""
    try:
        return Store.at(redis_url, max_connections)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL can't be used: {error}") from error
