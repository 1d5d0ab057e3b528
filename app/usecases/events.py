"""Event streams: all status changes, or the progress of one task, as they happen. Independent of Flask.

Theory of operation: a process subscribes once to all status changes, while at least one stream wants them. Each
change is parsed once and put into the bounded queues of the streams whose filters it matches. A stream whose reader is
too slow overflows and ends; the reader resumes from the recorded changes. A stream of one task is woken through the
task's own channels, and reads what has changed.

A stream yields None when it has had nothing to say for a while, so that its connection shows a sign of life. If
changes have passed meanwhile that its filters leave out, it then tells their position: the reader could not resume from
its last event once the changes after that are no longer recorded.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from app.domain.errors import NotFound, Unavailable
from app.domain.ids import is_id
from app.domain.status import Status
from app.store.events import (
    CHANGES_PER_CALL,
    Recording,
    StatusEvent,
    TaskProgress,
    is_event_id,
    place_of,
    read_event,
)
from app.store.listing import Filters
from app.store.record import Change
from app.store.store import Store
from app.store.subscriber import Watch
from app.usecases.waiting import LOOK_SECONDS

logger = logging.getLogger("celeriac.events")

#: A stream without events shows a sign of life this often.
SILENCE_SECONDS = 15.0
#: Events that wait for a stream's reader; beyond this number the stream ends.
QUEUE_LENGTH = 1_000
#: The recording of changes is kept up this often; without that it ends after two minutes.
_RECORD_SECONDS = 30.0
#: Maximum length of one piece of output, in characters.
_PIECE_CHARS = 16_384
_POSITION = re.compile(r"(\d{1,15})\.(\d{1,3})\.(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes before `id` may have been missed: read the list again."""

    id: str


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A change of a task's status, or a piece of its output. `id` is the position from which a stream can resume."""

    id: str
    change: Change | None = None
    output: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """The position at which a stream starts, or goes on after changes that its filters leave out.

    A reader that reconnects before the next event resumes from there.
    """

    id: str


AnyEvent = StatusEvent | Gap | Position | None
Event = TypeVar("Event")
#: Close it to end the stream.
Stream = Generator[Event, None, None]


class EventService:
    """Opens event streams. Thread-safe."""

    def __init__(self, store: Store, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._store = store
        self._silence_seconds = silence_seconds
        self._feeds = _Feeds(store)
        self._closing = threading.Event()
        self._watches: set[Watch] = set()

    def close(self) -> None:
        """End all streams, and refuse none: a stream that opens later ends at once."""
        self._closing.set()
        self._feeds.end()
        for watch in list(self._watches):
            watch.notify(None)

    # --- all tasks ------------------------------------------------------------------------------

    def of_all(self, filters: Filters, last_event_id: str) -> Stream[AnyEvent]:
        """The status changes of all tasks that match, after the event `last_event_id` ("" for those from now on).

        Raises Unavailable if Redis can't be reached.
        """
        feed = _Feed(filters)
        self._feeds.add(feed)
        try:
            recording = self._store.events.record()
        except Unavailable:
            self._feeds.remove(feed)
            raise
        feed.since_ms = recording.since_ms
        resumed = last_event_id if is_event_id(last_event_id) else ""
        stream = self._follow(feed, recording, resumed)
        next(stream)  # enters its `try`, so that closing the iterator removes the feed
        return stream

    def _follow(self, feed: _Feed, recording: Recording, resumed: str) -> Stream[AnyEvent]:
        try:
            yield None
            position = resumed or recording.end
            yield Position(position)
            if resumed:
                feed.fall_behind()
            while not self._closing.is_set() and not feed.has_overflowed:
                if feed.begins_to_catch_up():
                    for found in self._missed(feed, position):
                        position = found.id
                        if isinstance(found, Gap) or matches(filters=feed.filters, event=found):
                            yield found
                    continue
                event = feed.take(self._silence_seconds)
                self._feeds.keep_recording()
                if feed.is_behind:
                    continue  # an event that was taken is among the recorded ones, or in a gap
                if event is None:
                    yield None
                    passed = feed.passed()
                    if passed and place_of(passed) > place_of(position):
                        position = passed
                        yield Position(position)
                elif place_of(event.id) > place_of(position):
                    position = event.id
                    yield event
        except Unavailable:
            return  # the reader connects again, and is told 503 and when to come back
        finally:
            self._feeds.remove(feed)

    def _missed(self, feed: _Feed, position: str) -> Iterator[StatusEvent | Gap]:
        """The recorded changes after a position, page by page; a Gap wherever some are missing.

        While a page is shown, the recording may end, and the changes after it may go.
        """
        while not self._closing.is_set():
            found = self._store.events.after(position)
            recording = self._store.events.record()  # after the read: it tells what the page may lack
            if recording.since_ms != feed.since_ms or not recording.contains_all_after(position):
                feed.since_ms, position = recording.since_ms, recording.end
                yield Gap(position)
                continue
            yield from found
            if len(found) < CHANGES_PER_CALL:
                return
            position = found[-1].id

    # --- one task -------------------------------------------------------------------------------

    def of_task(self, task_id: str, last_event_id: str) -> Stream[TaskEvent | None] | None:
        """The events of a task after `last_event_id` ("" for all), until it is finished or deleted.

        Returns None if the task is finished and every event was seen. Raises NotFound, Unavailable.
        """
        progress = self._store.events.progress(task_id, 0) if is_id(task_id) else None
        if progress is None:
            raise NotFound("task not found")
        reader = _TaskReader(last_event_id)
        if progress.status.finished and not reader.news(progress, reads_from_bytes=0):
            return None
        stream = self._follow_task(task_id, reader)
        next(stream)
        return stream

    def _follow_task(self, task_id: str, reader: _TaskReader) -> Stream[TaskEvent | None]:
        channels = (self._store.keys.changed(task_id), self._store.keys.done(task_id))
        with self._watch(channels) as watch:
            yield None
            while not self._closing.is_set():
                # Before the read, so that no later change is missed.
                hears = all(self._store.subscriber.confirm(channel) for channel in channels)
                try:
                    progress = self._read(task_id, reader)
                except Unavailable:
                    return  # the reader connects again, and is told 503 and when to come back
                if progress is None:
                    return
                yield from reader.take(progress)
                if progress.status.finished:
                    return
                if not watch.wait(self._silence_seconds if hears else LOOK_SECONDS):
                    yield None

    def _read(self, task_id: str, reader: _TaskReader) -> TaskProgress | None:
        """The progress from the reader's position on; from the start if another attempt has begun since."""
        progress = self._store.events.progress(task_id, reader.offset_bytes)
        if progress is None or not reader.is_of_earlier_attempt(progress):
            return progress
        reader.offset_bytes = 0
        return self._store.events.progress(task_id, 0)

    @contextmanager
    def _watch(self, channels: Sequence[str]) -> Iterator[Watch]:
        watch = Watch()
        self._watches.add(watch)
        for channel in channels:
            self._store.subscriber.subscribe(channel, watch.notify)
        try:
            yield watch
        finally:
            for channel in channels:
                self._store.subscriber.unsubscribe(channel, watch.notify)
            self._watches.discard(watch)


def matches(filters: Filters, event: StatusEvent) -> bool:
    """Whether the filters of a list select the event; `status` is the new status."""
    if filters.name is not None and not filters.name.matches(event.name):
        return False
    if filters.tag is not None and filters.tag not in event.tags:
        return False
    pairs = (
        (filters.status, event.change.after),
        (filters.kind, event.kind),
        (filters.task_type, event.task_type),
        (filters.scheduled_task_id, event.scheduled_task_id),
    )
    return all(wanted is None or wanted == value for wanted, value in pairs)


# --- the streams of all tasks --------------------------------------------------------------------------


class _Feed:
    """The bounded queue of one stream. `since_ms` identifies the recording that the stream knows."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        self.since_ms = 0
        self.is_behind = False
        self.has_overflowed = False
        self._has_ended = False
        self._newest = ""
        self._queue: deque[StatusEvent] = deque()
        self._changed = threading.Condition()

    def offer(self, event: StatusEvent) -> None:
        """Add an event if it matches. Never blocks on the reader."""
        is_selected = matches(self.filters, event)
        with self._changed:
            self._newest = event.id
            if not is_selected:
                return
            if len(self._queue) >= QUEUE_LENGTH:
                self.has_overflowed = True
                self._queue.clear()
            elif not self.has_overflowed:
                self._queue.append(event)
            self._changed.notify()

    def fall_behind(self) -> None:
        """Make the stream read the recorded changes, because notifications may have been missed."""
        with self._changed:
            self.is_behind = True
            self._newest = ""  # a failover may have lost it
            self._changed.notify()

    def begins_to_catch_up(self) -> bool:
        """Whether the stream has to read the recorded changes. It does so now, and is behind no longer."""
        with self._changed:
            was_behind, self.is_behind = self.is_behind, False
            return was_behind

    def end(self) -> None:
        """Make `take` return at once from now on."""
        with self._changed:
            self._has_ended = True
            self._changed.notify()

    def take(self, timeout_seconds: float) -> StatusEvent | None:
        """The next event; None if there is none in time, or if the stream has something else to look after."""
        with self._changed:
            if not (self._queue or self.is_behind or self.has_overflowed or self._has_ended):
                self._changed.wait(timeout_seconds)
            return None if self.is_behind or not self._queue else self._queue.popleft()

    def passed(self) -> str:
        """The id of the newest event, if the stream has no event before it to show; "" otherwise."""
        with self._changed:
            return "" if self._queue or self.is_behind or self.has_overflowed else self._newest


class _Feeds:
    """The open streams of all tasks, and the one subscription that feeds them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._feeds: list[_Feed] = []
        self._recorded = 0.0

    def add(self, feed: _Feed) -> None:
        """Feed a stream from now on; the subscription is confirmed, or Redis is unavailable."""
        with self._lock:
            if not self._feeds:
                self._store.subscriber.subscribe(self._store.keys.events, self._on_message)
            self._feeds.append(feed)
        if not self._store.subscriber.confirm(self._store.keys.events):
            self.remove(feed)
            raise Unavailable("ConnectionError")

    def remove(self, feed: _Feed) -> None:
        """Feed a stream no longer."""
        with self._lock:
            if feed in self._feeds:
                self._feeds.remove(feed)
                if not self._feeds:
                    self._store.subscriber.unsubscribe(self._store.keys.events, self._on_message)

    def end(self) -> None:
        """Wake all streams, which are to end."""
        for feed in self._all():
            feed.end()

    def keep_recording(self) -> None:
        """Keep the recording of changes up, now and then. Raises Unavailable.

        If it had ended, as when the process was paused, changes are missing between it and the one that has begun.
        """
        now = time.monotonic()
        with self._lock:
            if now - self._recorded < _RECORD_SECONDS:
                return
            self._recorded = now
        recording = self._store.events.record()
        for feed in self._all():
            if feed.since_ms != recording.since_ms:
                feed.fall_behind()

    def _all(self) -> list[_Feed]:
        with self._lock:
            return list(self._feeds)

    def _on_message(self, message: str | None) -> None:
        if message is None:
            for feed in self._all():
                feed.fall_behind()
            return
        event_id, _, text = message.partition(" ")
        event = read_event(event_id, text)
        for feed in self._all():
            feed.offer(event)


# --- the stream of one task ----------------------------------------------------------------------------


@dataclass(slots=True)
class _TaskReader:
    """How far a stream has shown a task.

    The position is the time of the last shown change, its number among changes of the same millisecond, and the bytes
    of output shown of the attempt that this change, or an earlier one, started.
    """

    last_event_id: str
    at_ms: int = -1
    number: int = 0
    offset_bytes: int = 0

    def __post_init__(self) -> None:
        found = _POSITION.fullmatch(self.last_event_id)
        if found:
            self.at_ms, self.number, self.offset_bytes = (int(part) for part in found.groups())

    @property
    def id(self) -> str:
        """The position as an event's id."""
        return f"{self.at_ms}.{self.number}.{self.offset_bytes}"

    def is_of_earlier_attempt(self, progress: TaskProgress) -> bool:
        """Whether an attempt has begun that this position does not know, so that its offset means nothing."""
        return self.offset_bytes > 0 and any(change.after is Status.RUNNING for _, _, change in self._new(progress))

    def news(self, progress: TaskProgress, *, reads_from_bytes: int) -> bool:
        """Whether there is anything to show."""
        shown_bytes = self.offset_bytes - reads_from_bytes
        return bool(self._new(progress)) or len(progress.stdout.encode()) > shown_bytes

    def take(self, progress: TaskProgress) -> Iterator[TaskEvent]:
        """What is new, in order. `progress` was read from this reader's offset on.

        The stored output is that of the last attempt, so it is shown right after the change that started it.
        """
        new = self._new(progress)
        starts = [place for place, (_, _, change) in enumerate(new) if change.after is Status.RUNNING]
        if not starts:
            yield from self._output(progress.stdout)
        for place, (at_ms, number, change) in enumerate(new):
            self.at_ms, self.number = at_ms, number
            if change.after is Status.RUNNING:
                self.offset_bytes = 0
            yield TaskEvent(self.id, change)
            if starts and place == starts[-1]:
                yield from self._output(progress.stdout)

    def _output(self, text: str) -> Iterator[TaskEvent]:
        for start in range(0, len(text), _PIECE_CHARS):
            piece = text[start : start + _PIECE_CHARS]
            self.offset_bytes += len(piece.encode())
            yield TaskEvent(self.id, output=piece)

    def _new(self, progress: TaskProgress) -> list[tuple[int, int, Change]]:
        """The changes after the position, each with its time and number; all if the position is not known any more."""
        numbered = list(_numbered(progress.changes))
        for place, (at_ms, number, _) in enumerate(numbered):
            if (at_ms, number) == (self.at_ms, self.number):
                return numbered[place + 1 :]
        return numbered


def _numbered(changes: Sequence[Change]) -> Iterator[tuple[int, int, Change]]:
    """Each change with its time, and its number among all of the same millisecond.

    The times may go back: the API, workers and beat have clocks of their own.
    """
    numbers = Counter[int]()
    for change in changes:
        yield change.at_ms, numbers[change.at_ms], change
        numbers[change.at_ms] += 1
