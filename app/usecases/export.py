"""All tasks that match, whole, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from app.store.listing import Filters, Order
from app.store.record import Task
from app.store.store import Store

#: Tasks whose records are read at once.
EXPORT_PAGE = 100


def exported(store: Store, filters: Filters) -> Iterator[Task]:
    """The tasks that match and existed when the first one was asked for, oldest first, each as it stands when read.

    Tasks that are removed meanwhile are left out, and so are those that no longer have the status asked for. Only a
    few records are in memory at a time. Raises Unavailable, at any point, where Redis can't be reached.
    """
    last, cursor = store.listing.position(), None
    while True:
        page = store.listing.page(filters, EXPORT_PAGE, cursor, Order.OLDEST, last)
        for listed in page.items:
            task = store.tasks.get(listed.id)
            if task is not None and filters.status in (None, task.status):
                yield task
        cursor = page.cursor
        if cursor is None:
            return
