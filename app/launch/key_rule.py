"""The rule that other machines are served only if there is a key."""

from __future__ import annotations

from app.domain.errors import Unavailable
from app.launch.command_name import command_name
from app.launch.open_store import open_store
from app.settings import Settings, SettingsError


def require_key(settings: Settings, redis_url: str) -> None:
    """Raise SettingsError if HOST is not a loopback address and there is no key, in API_KEYS or in Redis.

    If Redis can't be reached, nothing is raised: the running API then refuses every call without a valid key.
    """
    if settings.loopback_only or settings.api_keys or _is_any_stored(redis_url):
        return
    raise SettingsError(
        f"HOST is {settings.host} and there is no key: to serve other machines, create one with "
        f"`{command_name()} keys create NAME --scope write`, or set API_KEYS"
    )


def _is_any_stored(redis_url: str) -> bool:
    store = open_store(redis_url)
    try:
        return store.api_keys.is_any_stored()
    except Unavailable:
        return True
    finally:
        store.close()
