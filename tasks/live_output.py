"""Writes what running programs print, in batches, so that it can be seen before they end.

An attempt's output waits in memory, bounded by SANDBOX_STDOUT_BYTES. One thread per process writes what has waited for
BATCH_SECONDS; it exists only once an attempt has printed something. The end of an attempt writes its whole output
anyway, so an attempt that is shorter than that causes no write here, and a write that fails or comes too late loses
nothing. While attempts print, the thread wakes at intervals by itself: waking it for each of many short attempts would
cost more than their output.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.domain.errors import Unavailable, reason_of
from app.store.events import EventStore
from app.store.tasks import Attempt

logger = logging.getLogger("celeriac.tasks")

#: How long output waits for more before it is written.
BATCH_SECONDS = 0.3
#: Pause after a write that failed because Redis is away.
_PAUSE_SECONDS = 1.0


class _Batch:
    """The output of one attempt that is not written yet."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.pieces: list[str] = []
        self.written_bytes = 0
        self.is_over = False


class LiveOutput:
    """The unwritten output of all attempts of this process. Thread-safe."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: dict[_Batch, float] = {}  # batch -> when it is to be written; the earliest first
        self._thread: threading.Thread | None = None
        self._is_asleep = False  # until it is notified
        self._closed = False

    @contextmanager
    def opened(self, attempt: Attempt) -> Iterator[Callable[[str], None]]:
        """A function that takes the pieces that `attempt` prints. It never blocks."""
        batch = _Batch(attempt)
        try:
            yield lambda text: self._add(batch, text)
        finally:
            with self._changed:
                batch.is_over = True
                self._waiting.pop(batch, None)

    def close(self) -> None:
        """Stop writing."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _add(self, batch: _Batch, text: str) -> None:
        with self._changed:
            if batch.is_over:
                return
            batch.pieces.append(text)
            if batch in self._waiting or not self._has_thread():
                return
            self._waiting[batch] = time.monotonic() + BATCH_SECONDS
            if self._is_asleep:
                self._changed.notify()

    def _has_thread(self) -> bool:
        """Start the thread if there is none yet, with the lock held. False: there can't be one now."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="live-output", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the next piece tries again
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while (due := self._next()) is not None:
            batch, text = due
            try:
                self._write(batch, text)
            except Unavailable as error:
                fields = {"action": "output_deferred", "task_id": batch.attempt.task_id, "reason": reason_of(error)}
                logger.debug("can't write live output now", extra=fields)
                self._put_back(batch, text)
            except Exception:
                # Without this thread nobody would see output before its attempt ends.
                logger.exception("live output failed", extra={"action": "output_failed"})

    def _next(self) -> tuple[_Batch, str] | None:
        """Wait for the next batch that is due, and take its text; None once closed."""
        with self._changed:
            while not self._closed:
                batch, due = next(iter(self._waiting.items()), (None, 0.0))
                remaining = due - time.monotonic()
                if batch is None:
                    self._rest()
                elif remaining > 0:
                    self._changed.wait(remaining)
                else:
                    del self._waiting[batch]
                    text, batch.pieces = "".join(batch.pieces), []
                    return batch, text
        return None

    def _rest(self) -> None:
        """Wait for output, with the lock held: at first without being notified of it."""
        self._changed.wait(BATCH_SECONDS)
        if not self._waiting and not self._closed:
            self._is_asleep = True
            self._changed.wait()
            self._is_asleep = False

    def _write(self, batch: _Batch, text: str) -> None:
        attempt = batch.attempt
        if self._store.write_output(attempt.task_id, attempt.epoch, batch.written_bytes, text):
            batch.written_bytes += len(text.encode())
        else:
            with self._changed:
                batch.is_over = True

    def _put_back(self, batch: _Batch, text: str) -> None:
        with self._changed:
            if not batch.is_over:
                batch.pieces.insert(0, text)
                self._waiting.pop(batch, None)
                self._waiting[batch] = time.monotonic() + _PAUSE_SECONDS
