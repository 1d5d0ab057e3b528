"""The application that `celery -A` finds: on the server of the environment."""

from __future__ import annotations

import os

from benchmarks.peers import REDIS_URL
from benchmarks.peers.celery_tasks import make_app

app = make_app(os.environ[REDIS_URL])
