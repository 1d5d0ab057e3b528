"""The courier as the settings want it."""

from __future__ import annotations

from collections.abc import Callable

from app.clock import Clock
from app.settings import Settings
from app.store.deliveries import Delivery
from app.store.store import Store
from tasks.deliveries.callback import Callback
from tasks.deliveries.channel import Channel
from tasks.deliveries.courier import Courier
from tasks.executors.client import make_client

#: Of an answer; a channel may have to read why it was refused.
MAX_ANSWER_BYTES = 65_536


def make_courier(settings: Settings, store: Store, is_ending: Callable[[], bool], clock: Clock) -> Courier:
    """A courier for callbacks, not started. Deliveries to channels fail: there are none."""
    callback = Callback(make_client(settings, MAX_ANSWER_BYTES), settings.callback_secrets)

    def channel_of(delivery: Delivery) -> Channel | None:
        return callback if delivery.channel is None else None

    return Courier(
        store,
        channel_of,
        concurrency=settings.callback_concurrency,
        timeout_seconds=settings.callback_timeout,
        lease_seconds=settings.lease_seconds,
        is_ending=is_ending,
        clock=clock,
    )
