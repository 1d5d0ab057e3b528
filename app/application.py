"""Builds the API for a process that serves it: its settings, its Redis, and the zygote that checks programs.

Importing this module loads all that the API needs, and starts nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress

from flask import Flask

from app import console, logs
from app.api.context import compose
from app.api.web import create_web
from app.clock import system_clock
from app.domain.errors import Unavailable
from app.launch.child import PARENT_PID
from app.launch.form_check import require_known_form
from app.launch.key_rule import require_key
from app.launch.open_store import open_store
from app.launch.redis_location import require_redis_url
from app.launch.serving import at_end, close_unread_connections, on_shutdown
from app.settings import read_settings
from app.tracing import start_tracing
from app.usecases.clock_check import ClockCheck
from app.usecases.redis_checks import check_at_start
from sandbox import Sandbox


def build() -> Flask:
    """The application, configured from the environment. Raises SettingsError, SandboxError, OtherForm."""
    settings = read_settings()
    logs.configure(settings)
    redis_url = require_redis_url(settings)
    store = open_store(redis_url, max_connections=settings.api_threads)
    require_known_form(store)
    if PARENT_PID not in os.environ:  # else start.py has checked it
        require_key(settings, redis_url)
    check_at_start(store.liveness)
    with suppress(Unavailable):  # which the line above has logged
        ClockCheck(store.liveness, system_clock).look()
    # It requires no layers, unlike a worker's: here programs are compiled, and never run.
    sandbox = Sandbox(spare_children=1, runs_programs=False, extra_modules=settings.sandbox_extra_modules)
    sandbox.start()
    at_end(sandbox.close)
    tracing = start_tracing(settings, "celeriac-api")
    if tracing is None:
        context = compose(settings, store, sandbox.check)
    else:
        context = compose(settings, store, sandbox.check, find_trace=tracing.current_context)
        at_end(tracing.close)
    context.form.start()
    at_end(context.form.stop)
    context.request_counts.start()
    at_end(context.request_counts.close)

    def answer_what_is_held() -> None:
        store.subscriber.end_waits()
        context.events.close()

    on_shutdown(answer_what_is_held)
    close_unread_connections(settings.port)
    return create_web(context, pages=(console.blueprint,), tracing=tracing)
