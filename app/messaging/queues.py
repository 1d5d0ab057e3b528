"""How Celery calls what a task's kind and priority say. The queues themselves: app/domain/kinds."""

from __future__ import annotations

#: Our 9 is served first; kombu's Redis transport serves its 0 first.
HIGHEST_PRIORITY = 9


def celery_priority(priority: int) -> int:
    """A task's priority as Celery counts on Redis."""
    return HIGHEST_PRIORITY - priority
