"""What workers and beats import, for a process whose forks become them.

Of our modules, only those that read no settings: a fork has an environment of its own.
"""

from __future__ import annotations

MODULES = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.loaders.app",
    "kombu.transport.redis",
    "requests",
    "tasks.runtime",
    "tasks.beat",
)
