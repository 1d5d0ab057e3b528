"""What `huey_consumer` imports: on the server of the environment."""

from __future__ import annotations

import os

from benchmarks.peers import REDIS_URL
from benchmarks.peers.huey_tasks import make_huey

huey = make_huey(os.environ[REDIS_URL])
