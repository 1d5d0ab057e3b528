"""Tests of workers and beats: unmodified Celery, and ours."""
