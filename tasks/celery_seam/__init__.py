"""Everything that leans on the internals of Celery and kombu: see README.md in this folder."""
