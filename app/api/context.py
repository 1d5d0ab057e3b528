"""What views need, put together by whoever creates the web application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from app.api.holding import Holding
from app.clock import Clock
from app.settings import Settings
from app.usecases.health import HealthService
from app.usecases.schedules import ScheduleService
from app.usecases.statistics import StatisticsService
from app.usecases.tasks import TaskService

EXTENSION = "celeriac"


@dataclass(frozen=True, slots=True)
class Context:
    """The services behind the views."""

    settings: Settings
    tasks: TaskService
    schedules: ScheduleService
    statistics: StatisticsService
    health: HealthService
    clock: Clock
    holding: Holding


def context() -> Context:
    """The context of the application that serves the current request."""
    return cast(Context, current_app.extensions[EXTENSION])
