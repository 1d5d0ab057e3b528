"""What can be done with tasks and schedules. Knows the store and the rules; knows no HTTP and no Celery."""
