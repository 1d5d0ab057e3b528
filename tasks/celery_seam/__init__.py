"""Code that leans on the internals of Celery and kombu; README.md in this folder lists each of them."""
