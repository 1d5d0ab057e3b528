"""How a task reaches a worker: queues, and Celery messages as bytes. The rest of `app` does not know Celery."""
