"""What `dramatiq` imports: on the server of the environment."""

from __future__ import annotations

import os

import dramatiq

from benchmarks.peers import REDIS_URL
from benchmarks.peers.dramatiq_tasks import make_broker

broker = make_broker(os.environ[REDIS_URL])
dramatiq.set_broker(broker)
