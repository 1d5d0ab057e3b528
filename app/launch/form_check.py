"""Processes and commands check the form of the data before they do anything."""

from __future__ import annotations

from app.domain.errors import OtherForm, Unavailable
from app.launch.open_store import open_store
from app.store.store import Store


def require_known_form(store: Store) -> None:
    """Raise OtherForm if a newer version of Celeriac wrote the data.

    If Redis can't be reached, nothing is raised: processes check again when it can.
    """
    try:
        form = store.form.look()
    except OtherForm:
        raise
    except Unavailable:
        return
    if form.is_newer:
        raise OtherForm(form.words)


def require_known_form_at(redis_url: str) -> None:
    """The same for the data at `redis_url`. Raises SettingsError, too, if the URL can't be used."""
    store = open_store(redis_url)
    try:
        require_known_form(store)
    finally:
        store.close()
