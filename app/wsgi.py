"""The API as a WSGI application, `web`: what granian serves, or `gunicorn 'app.wsgi:web'`.

Importing this module is starting the API: it reads the settings, finds the Redis, and starts the zygote in which
programs are checked before they are taken.
"""

from __future__ import annotations

import atexit

from flask import Flask

from app import console, logs
from app.api.context import Context
from app.api.holding import Holding, most_held
from app.api.web import create_web
from app.clock import system_clock
from app.launch.processes import die_with_parent
from app.launch.redis_location import require_redis_url
from app.messaging.encoder import MessageEncoder
from app.settings import Settings, SettingsError, read_settings
from app.store.store import Store
from app.usecases.admission import Admission
from app.usecases.code_check import CodeChecker
from app.usecases.dispatch import Dispatcher
from app.usecases.health import HealthService
from app.usecases.redis_checks import log_warnings
from app.usecases.schedules import ScheduleService
from app.usecases.statistics import StatisticsService
from app.usecases.tasks import TaskService
from sandbox import Sandbox, SandboxError


def build_context(settings: Settings, store: Store, checker: CodeChecker) -> Context:
    """The services over one store."""
    clock = system_clock
    dispatcher = Dispatcher(MessageEncoder(store.keys), settings.countdown_horizon)
    admission = Admission(store.admission, settings.max_queued_tasks)
    return Context(
        settings=settings,
        tasks=TaskService(store, dispatcher, checker, admission, clock),
        schedules=ScheduleService(store, dispatcher, checker, admission, clock, settings.timezone),
        statistics=StatisticsService(store.stats, clock),
        health=HealthService(store, clock),
        clock=clock,
        holding=Holding(most_held(settings.api_threads)),
    )


def build() -> Flask:
    """Everything, from the environment. Raises SettingsError, SandboxError."""
    settings = read_settings()
    logs.configure(settings)
    store = Store.at(require_redis_url(settings), max_connections=settings.api_threads)
    log_warnings(store.liveness)
    sandbox = Sandbox(spare_children=1, require=settings.sandbox_require, extra_modules=settings.sandbox_extra_modules)
    sandbox.start()
    atexit.register(sandbox.close)
    return create_web(build_context(settings, store, sandbox.check), pages=(console.blueprint,))


die_with_parent()
try:
    web = build()
except (SettingsError, SandboxError) as error:
    raise SystemExit(f"the API can't start: {error}") from None
