"""Celery's program for beat, which a signal ends at any moment of its start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery.apps import beat
from celery.beat import Service
from celery.platforms import signals


class Beat(beat.Beat):
    """What `celery -A celery_app beat` and `tasks.celery_roles beat` run."""

    def install_sync_handler(self, service: Service) -> None:
        """End on SIGTERM and SIGINT. The service closes its scheduler when it ends.

        Celery's own handler closes the scheduler right where the signal arrives, and makes one if there is none yet. If
        a scheduler was just being made, that fails halfway through an import, or waits inside the handler, where no
        second signal ends it.
        """

        def end(number: int, frame: FrameType | None) -> None:
            service._is_shutdown.set()  # SystemExit is lost if the signal arrives in a destructor
            raise SystemExit

        sys.unraisablehook = _without_exits(sys.unraisablehook)
        signals.update(SIGTERM=end, SIGINT=end)


def _without_exits(tell: Callable[[Any], object]) -> Callable[[Any], object]:
    """Tell nothing of a SystemExit that was lost in a destructor: the service ends nevertheless."""
    return lambda lost: None if lost.exc_type is SystemExit else tell(lost)
