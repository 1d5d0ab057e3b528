"""The courier as the settings want it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.clock import Clock
from app.settings import Settings
from app.store.deliveries import Delivery
from app.store.store import Store
from app.usecases.channels import ChannelService
from tasks.deliveries.callback import Callback
from tasks.deliveries.channel import Channel
from tasks.deliveries.courier import Courier
from tasks.deliveries.notices import NoticeSender, UnusableChannel
from tasks.executors.client import address_policy, make_client
from tasks.http.mail import MailClient

if TYPE_CHECKING:
    from app.tracing.spans import Tracing

#: Of an answer; a channel may have to read why it was refused.
MAX_ANSWER_BYTES = 65_536


def make_courier(
    settings: Settings, store: Store, may_claim: Callable[[], bool], clock: Clock, tracing: Tracing | None = None
) -> Courier:
    """A courier for callbacks and notices, not started."""
    client = make_client(settings, MAX_ANSWER_BYTES)
    mail = MailClient(address_policy(settings), ca_bundle=settings.http_ca_bundle or None)
    callback = Callback(client, settings.callback_secrets, tracing)
    channels = ChannelService(store.channels, store.deliveries, settings.channels_file, clock)

    def channel_of(delivery: Delivery) -> Channel | None:
        if delivery.channel is None:
            return callback
        found = channels.find(delivery.channel)
        if found is None:
            return None
        if found.fields is None:
            return UnusableChannel(str(found.error))
        return NoticeSender(found.name, found.fields, store.channels, client, mail, settings.public_url)

    return Courier(
        store,
        channel_of,
        concurrency=settings.callback_concurrency,
        timeout_seconds=settings.callback_timeout,
        lease_seconds=settings.lease_seconds,
        may_claim=may_claim,
        clock=clock,
    )
