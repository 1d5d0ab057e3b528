"""What workers and beats import, for a process whose forks become them.

Of our modules, only those that read no settings: a fork has an environment of its own.
"""

from __future__ import annotations

MODULES = (
    "billiard.pool",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.app.routes",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.base",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "celery.events.receiver",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.control",
    "celery.worker.strategy",
    "kombu.transport.redis",
    "requests",
    "tasks.beat",
    "tasks.celery_seam.await_last_fetch",
    "tasks.celery_seam.beat",
    "tasks.celery_seam.consumer",
    "tasks.celery_seam.request",
    "tasks.celery_seam.spoken",
    "tasks.celery_seam.transport",
    "tasks.executors.api",
    "tasks.executors.code",
    "tasks.runtime",
)
