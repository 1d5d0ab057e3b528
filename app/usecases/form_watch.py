"""Keeps a process from working on data of another form, and brings older data to the form of this version.

Every process looks at the form when it starts and once a second. What a process does in between is safe, too: each
script refuses data of another form (app/store/scripts.py).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from app.clock import Clock
from app.domain.errors import OtherForm, Unavailable
from app.domain.form import FORM
from app.store.form import FormStore

logger = logging.getLogger("celeriac.form")

LOOK_SECONDS = 1.0
#: While the data is being changed, by this process or another.
CHANGING_LOOK_SECONDS = 0.1
#: How long a process works on exclusive steps before it looks around.
TURN_SECONDS = 1.0
#: How much of each round of maintenance (about a second) goes to the steps that run while the data is in use.
UPKEEP_SECONDS = 0.2


class FormWatch:
    """The form of the data, as one process sees it. `on_newer`: called when newer data turns up after the start."""

    def __init__(self, store: FormStore, clock: Clock, on_newer: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self._on_newer = on_newer
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._refusal: OtherForm | None = None
        self._is_ended = False  # newer data was found
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="form", daemon=True)

    def require(self) -> None:
        """Raise OtherForm if this process must not touch the data, as far as it knows. Costs nothing."""
        if self._refusal is not None:
            raise self._refusal

    @property
    def found_newer(self) -> bool:
        """Whether a newer version wrote the data."""
        return self._is_ended

    def wait(self, is_ending: Callable[[], bool] = lambda: False) -> None:
        """Return when the data has our form, Redis can't be reached, or the process `is_ending`, as it says itself.

        Raises OtherForm if the data is newer.
        """
        while not self._is_ready() and not self._is_ended:
            if is_ending() or self._stopped.wait(CHANGING_LOOK_SECONDS):
                return
        if self._is_ended:
            self.require()

    def start(self) -> None:
        """Look again and again, in a thread."""
        self._thread.start()

    @property
    def is_watching(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(TURN_SECONDS + LOOK_SECONDS)

    def _run(self) -> None:
        pause_seconds = 0.0
        while not self._stopped.wait(pause_seconds):
            had_ended = self._is_ended
            is_ready = self._is_ready()
            if self._is_ended and not had_ended:
                self._on_newer()
            pause_seconds = LOOK_SECONDS if is_ready or self._is_ended else CHANGING_LOOK_SECONDS

    def _is_ready(self) -> bool:
        """Look at the form once. If Redis can't be reached, what was known before holds; at first nothing is wrong."""
        try:
            return self.check()
        except OtherForm as error:  # not a form at all: what is under our key is somebody else's
            self._refuse(error, is_final=True)
            return False
        except Unavailable:
            return self._refusal is None

    def check(self) -> bool:
        """Look at the form once, and work on older data for a second at most. Whether the data has our form.

        Raises Unavailable; OtherForm if what is stored is not a form.
        """
        form = self._store.look()
        if form.is_newer:
            self._refuse(OtherForm(form.words), is_final=True)
            return False
        if not form.is_current:
            self._refuse(OtherForm(form.words), is_final=False)
            if not self._change():
                return False
        self._accept()
        return True

    def _change(self) -> bool:
        """Do exclusive steps if no other process does. Whether the data has our form now."""
        if not self._store.lease.take(self._owner):
            return False
        deadline = time.monotonic() + TURN_SECONDS
        while time.monotonic() < deadline:
            if self._store.look().is_current:
                self._store.lease.end()
                return True
            self._store.advance(self._clock())
        return False

    def _refuse(self, error: OtherForm, *, is_final: bool) -> None:
        if self._refusal is None or (is_final and not self._is_ended):
            level, action = (logging.CRITICAL, "form_refused") if is_final else (logging.WARNING, "form_changing")
            logger.log(level, str(error), extra={"action": action})
        self._is_ended = is_final
        self._refusal = error

    def _accept(self) -> None:
        if self._refusal is not None:
            logger.warning("the data has form %d", FORM, extra={"action": "form_changed"})
        self._refusal, self._is_ended = None, False


class FormUpkeep:
    """The steps that run while the data is in use: a part of maintenance."""

    def __init__(self, store: FormStore, actor: str) -> None:
        self._store = store
        self._actor = actor

    def bring_up_to_date(self, now_ms: int) -> None:
        """Do some of the steps that are left, if there are any. Raises Unavailable."""
        if self._store.progress() is None or not self._store.lease.take(self._actor):
            return
        deadline = time.monotonic() + UPKEEP_SECONDS
        while self._store.look().is_current and time.monotonic() < deadline:
            if not self._store.advance(now_ms):
                self._store.lease.end()
                logger.info("all data has form %d", FORM, extra={"action": "form_complete"})
                return
