"""The services that views need, composed by the code that creates the web application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from flask import Request, current_app, request

from app.api.holding import Holding, max_held
from app.api.large_bodies import LargeBodies
from app.api.problems import REASONS
from app.api.request_counts import RequestCounts
from app.clock import Clock, system_clock
from app.domain.trace import TraceContext, no_trace
from app.messaging.encoder import MessageEncoder
from app.settings import Settings
from app.store.audit import AuditStore
from app.store.store import Store
from app.usecases.access import AccessService
from app.usecases.admission import Admission
from app.usecases.batches import BatchService
from app.usecases.bulk import BulkService
from app.usecases.channels import ChannelService
from app.usecases.code_check import CodeChecker
from app.usecases.deliveries import DeliveryService
from app.usecases.dispatch import Dispatcher
from app.usecases.events import EventService
from app.usecases.form_watch import FormWatch
from app.usecases.health import HealthService
from app.usecases.metrics import MetricsService
from app.usecases.schedules import ScheduleService
from app.usecases.statistics import StatisticsService
from app.usecases.tasks import TaskService
from app.usecases.workers import WorkersService

EXTENSION = "celeriac"


@dataclass(frozen=True, slots=True)
class Context:
    """The services behind the views."""

    settings: Settings
    tasks: TaskService
    schedules: ScheduleService
    statistics: StatisticsService
    bulks: BulkService
    health: HealthService
    events: EventService
    clock: Clock
    holding: Holding
    access: AccessService
    audit: AuditStore
    batches: BatchService
    workers: WorkersService
    channels: ChannelService
    large_bodies: LargeBodies
    deliveries: DeliveryService
    form: FormWatch
    metrics: MetricsService
    request_counts: RequestCounts


def compose(
    settings: Settings,
    store: Store,
    checker: CodeChecker,
    clock: Clock = system_clock,
    find_trace: Callable[[], TraceContext] = no_trace,
) -> Context:
    """Compose the services over one store, for the API, tests and benchmarks. `find_trace`: as for Dispatcher."""
    dispatcher = Dispatcher(MessageEncoder(store.keys), settings.countdown_horizon, find_trace)
    admission = Admission(store.admission, settings.max_queued_tasks)
    channels = ChannelService(store.channels, store.deliveries, settings.channels_file, clock)
    alert_problems = channels.alert_problems
    return Context(
        settings=settings,
        tasks=TaskService(store, dispatcher, checker, admission, clock, alert_problems),
        schedules=ScheduleService(store, dispatcher, checker, admission, clock, settings.timezone, alert_problems),
        statistics=StatisticsService(store.stats, clock),
        bulks=BulkService(store, checker, admission, clock, alert_problems),
        health=HealthService(store, clock),
        events=EventService(store),
        clock=clock,
        access=AccessService(
            store.api_keys, settings.api_keys, settings.quotas, clock, is_public=not settings.loopback_only
        ),
        audit=store.audit,
        batches=BatchService(store, dispatcher, checker, admission, clock, channels.names),
        workers=WorkersService(store.liveness, clock),
        channels=channels,
        large_bodies=LargeBodies.of_one_among(settings.api_processes),
        deliveries=DeliveryService(store.deliveries, clock),
        form=FormWatch(store.form, clock),
        metrics=MetricsService(store, settings, clock, REASONS),
        request_counts=RequestCounts(store.totals),
        holding=Holding(max_held(settings.api_threads), settings.max_event_streams),
    )


def context() -> Context:
    """The context of the application that handles the current request."""
    return cast(Context, current_app.extensions[EXTENSION])


def current_request() -> Request:
    """The current request itself: each use of Flask's `request` looks for it again."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return]
