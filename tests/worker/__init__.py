"""Workers and beats: Celery as it is, and ours."""
