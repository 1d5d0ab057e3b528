"""Combines the stores over one connection pool."""

from __future__ import annotations

from app.store.admission import AdmissionStore
from app.store.alerts import AlertStore
from app.store.api_keys import ApiKeyStore
from app.store.audit import AuditStore
from app.store.batches import BatchStore
from app.store.bulk import BulkStore
from app.store.channels import ChannelStore
from app.store.client import Client, connect
from app.store.deliveries import DeliveryStore
from app.store.events import EventStore
from app.store.failures import FailureStore
from app.store.firings import FiringStore
from app.store.form import FormStore
from app.store.inbox import Inbox
from app.store.keys import PREFIX, Keys
from app.store.listing import TaskListing
from app.store.liveness import LivenessStore
from app.store.recovery import RecoveryStore
from app.store.retention import RetentionStore
from app.store.schedules import ScheduleStore
from app.store.scripts import Scripts
from app.store.stats import StatsStore
from app.store.subscriber import Subscriber
from app.store.tasks import TaskStore
from app.store.totals import TotalsStore


class Store:
    """All data in Redis. Connects at the first command."""

    def __init__(self, client: Client, prefix: str = PREFIX) -> None:
        self._client = client
        scripts = Scripts(client, prefix)
        self.keys = Keys(prefix)
        self.form = FormStore(client, self.keys, scripts)
        self.tasks = TaskStore(client, self.keys, scripts)
        self.batches = BatchStore(client, self.keys, scripts)
        self.listing = TaskListing(client, self.keys, scripts)
        self.failures = FailureStore(scripts)
        self.firings = FiringStore(client, self.keys, scripts)
        self.retention = RetentionStore(client, self.keys, scripts)
        self.schedules = ScheduleStore(client, self.keys, scripts)
        self.bulks = BulkStore(client, self.keys, scripts)
        self.deliveries = DeliveryStore(client, self.keys, scripts)
        self.recovery = RecoveryStore(client, self.keys, scripts)
        self.admission = AdmissionStore(client, self.keys)
        self.stats = StatsStore(client, self.keys)
        self.totals = TotalsStore(scripts)
        self.liveness = LivenessStore(client, self.keys, scripts)
        self.api_keys = ApiKeyStore(client, self.keys, scripts)
        self.audit = AuditStore(client, self.keys)
        self.alerts = AlertStore(client, self.keys, scripts)
        self.channels = ChannelStore(client, self.keys, scripts)
        self.subscriber = Subscriber(client)
        self.events = EventStore(client, self.keys, scripts)
        self.inbox = Inbox(self.subscriber, self.keys)

    @classmethod
    def at(cls, url: str, max_connections: int = 64) -> Store:
        """The store behind a Redis URL."""
        return cls(connect(url, max_connections))

    def close(self) -> None:
        """Close the connections."""
        self.subscriber.close()
        self.audit.close()
        self._client.close()
