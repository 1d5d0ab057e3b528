"""Commands check the form of the data before they do anything."""

from __future__ import annotations

from app.domain.errors import OtherForm, Unavailable
from app.launch.key_rule import open_store


def require_known_form(redis_url: str) -> None:
    """Raise OtherForm if a newer version of Celeriac wrote the data at `redis_url`; SettingsError for an unusable URL.

    If Redis can't be reached, nothing is raised: processes check again when it can.
    """
    store = open_store(redis_url)
    try:
        form = store.form.look()
        if form.is_newer:
            raise OtherForm(form.words)
    except OtherForm:
        raise
    except Unavailable:
        return
    finally:
        store.close()
