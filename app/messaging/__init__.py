"""How a task reaches a worker: queues, and Celery messages as bytes. Celery and kombu are imported here alone."""
