"""Logs: one line per event, for people (`text`) or machines (`json`), the same for every process.

    2026-11-23T08:30:00.000Z INFO celeriac.tasks task finished action=task_finished task_id=… duration_ms=3.1

A logger gets a sentence, with data for machines beside it: `logger.info("task finished", extra={"action":
"task_finished", "task_id": id})`. Any value may come from a caller or a target, so values are bounded and their
control characters escaped: nobody can forge a line, or overwrite one in a terminal.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import logging.handlers
import math
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from app.settings import Settings

STDERR = 2
MAX_VALUE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 8_000
MAX_EXTRAS = 32

#: The id of the request that this thread handles; every line has it. Empty outside of requests.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

# Other packages' loggers. The extras of their records are dropped: Celery attaches a task's arguments, for example.
FOREIGN = ("celery", "kombu", "amqp", "billiard", "_granian", "granian", "werkzeug", "urllib3", "requests")

# The lowest level logged from loggers that say too much, or reveal it.
FLOORS = {
    "celery.app.trace": logging.WARNING,  # "succeeded in", which our own line reports with attempt and kind
    "celery.worker.strategy": logging.WARNING,  # "received"
    "celery.pool": logging.INFO,  # at DEBUG they write a task's whole request
    "kombu": logging.INFO,  # at DEBUG they write whole messages
    "amqp": logging.INFO,
    "urllib3": logging.WARNING,  # at DEBUG they write the URL and query of every call
    "requests": logging.WARNING,
    "werkzeug": logging.WARNING,
}

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Control characters, line separators, overrides of the writing direction, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_IS_PLAIN = re.compile(r"[\w.:@/+-]+", re.ASCII).fullmatch
_NEEDS_QUOTES = re.compile(r'[\s"=\\]|^$')


#: Actions of the lines that LOG_TASKS=failures leaves out.
ROUTINE = frozenset({"tasks_create", "task_started", "task_succeeded", "delivered"})


def configure(settings: Settings, file: str | None = None) -> None:
    """Send all logs of this process to stderr in our form, or append them to a file; OSError if that can't be opened.

    Replaces any earlier configuration.
    """
    _leave_out_what_no_line_shows()
    root = logging.getLogger()
    root.handlers = [handler(settings.log_format) if file is None else _file_handler(file, settings.log_format)]
    if settings.log_tasks == "failures":
        root.handlers[0].addFilter(FailuresOnly())
    root.setLevel(settings.log_level)
    for name in FOREIGN:
        foreign = logging.getLogger(name)
        foreign.handlers = []
        foreign.propagate = True
    for name, floor in FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, root.level))
    logging.captureWarnings(True)


def _leave_out_what_no_line_shows() -> None:
    """Switch off what `logging` looks up for each record, as its documentation advises: half the time of a line."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes each line to stderr at once. A line that can't be written is lost, and nothing else is.

    It would stay in the stream's buffer, which multiprocessing flushes before each fork: an API whose log nobody reads,
    or whose disk is full, could start none of its processes.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Go on with an empty buffer."""
        if isinstance(sys.exception(), OSError):
            sys.stderr = self.stream = reopened(2)
        else:
            super().handleError(record)


def reopened(fd: int) -> TextIO:
    """A stream for what this process has as stdout (1) or stderr (2), without a buffer.

    In a buffer, what can't be written would stay, and newer Pythons complain of it on stderr when the stream goes.
    """
    return io.TextIOWrapper(io.FileIO(fd, "w", closefd=False), errors="backslashreplace", write_through=True)


def handler(log_format: str) -> logging.Handler:
    """A handler that writes lines in our form to stderr; `log_format` is `text` or `json`."""
    stream = _StderrHandler(sys.stderr)
    stream.setFormatter(formatter(log_format))
    return stream


class _FileHandler(logging.handlers.WatchedFileHandler):
    """Appends each line to a file at once, and opens a new one where it was moved away. Lines are lost as above."""

    def _open(self) -> TextIO:  # type: ignore[override]  # it is a TextIOWrapper
        return io.TextIOWrapper(io.FileIO(self.baseFilename, "a"), "utf-8", "backslashreplace", write_through=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            super().emit(record)
        except OSError:  # the file can't be opened anew
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Open the file anew for the next line."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)
            return
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _file_handler(path: str, log_format: str) -> logging.Handler:
    file = _FileHandler(path)
    file.setFormatter(formatter(log_format))
    return file


def descriptor() -> int:
    """Where this process writes its lines. Takes no lock: signal handlers call it."""
    found = next((one.stream for one in logging.getLogger().handlers if isinstance(one, _FileHandler)), None)
    return STDERR if found is None else found.fileno()


def formatter(log_format: str) -> logging.Formatter:
    """The formatter of lines in our form, `text` or `json`."""
    return JsonFormatter() if log_format == "json" else TextFormatter()


def line(log_format: str, logger: str, sentence: str, level: int = logging.INFO) -> str:
    """A line in our form, for a process that writes its own."""
    record = logging.LogRecord(logger, level, "", 0, "%s", (sentence,), None)
    return formatter(log_format).format(record)


def granian_config(settings: Settings) -> dict[str, Any]:
    """The logging configuration for granian, which sets up logging by itself in each of its processes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {},
        "filters": {"expected": {"()": "app.logs.ExpectedOfGranian"}},
        "handlers": {"stderr": {"()": "app.logs.handler", "log_format": settings.log_format}},
        "loggers": {
            "_granian": {"handlers": ["stderr"], "filters": ["expected"], "propagate": False},
            "granian.access": {"handlers": ["stderr"], "propagate": False},
        },
    }


class FailuresOnly(logging.Filter):
    """Drops the lines of tasks that do what they should: on a busy service they are nearly all lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        return getattr(record, "action", "") not in ROUTINE


class ExpectedOfGranian(logging.Filter):
    """Drops granian's warning about more threads than cores: most of ours hold a `wait` and compute nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        return "Configuration allows spawning up to" not in str(record.msg)


class TextFormatter(logging.Formatter):
    """Formats `time LEVEL logger message key=value …` in one line, whatever the values are."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        words = [_time(record), record.levelname, _logger_name(record), escape(_bounded(record.getMessage()))]
        fields = _extras(record)
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = _bounded(repr(record.exc_info[1]))
            fields["traceback"] = _traceback(record)
        words += [f"{escape(key)}={_quoted(value)}" for key, value in fields.items()]
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """Formats one JSON object: time, level, logger, message, the record's extras and an exception's `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": _logger_name(record),
            "message": _bounded(record.getMessage()),
        }
        fields |= {key: value for key, value in _extras(record).items() if key not in fields}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = _traceback(record)
        return json.dumps(fields)  # ASCII only: every control character is escaped


def escape(text: str) -> str:
    """`text` with every character that could end a line or control a terminal written as \\n, \\x1b, \\u2028."""
    if text.isascii() and text.isprintable():  # nearly every text, and much faster than the search
        return text
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _logger_name(record: logging.LogRecord) -> str:
    return record.name.removeprefix("_")  # granian's logger is called _granian


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    request_id = REQUEST_ID.get()
    about_request = {"request_id": request_id} if request_id else {}
    if record.name.split(".", 1)[0] in FOREIGN:
        return about_request
    found = [(key, value) for key, value in vars(record).items() if key not in _STANDARD]
    return {key: _plain(value) for key, value in found[:MAX_EXTRAS]} | about_request


def _plain(value: Any) -> Any:
    """`value` in JSON's types: numbers, booleans and null unchanged, everything else as bounded text."""
    if isinstance(value, str):
        return _bounded(str(value))  # `str` for its subclasses
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 64 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple | dict):
        return _bounded(json.dumps(value, default=str, ensure_ascii=False, skipkeys=True))
    return _bounded(str(value))


def _bounded(text: str) -> str:
    if len(text) <= MAX_VALUE_CHARS:
        return text
    return f"{text[:MAX_VALUE_CHARS]}… ({len(text)} characters)"


def _quoted(value: Any) -> str:
    if isinstance(value, str) and _IS_PLAIN(value):
        return value
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if not _NEEDS_QUOTES.search(text):
        return escape(text)
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escape(inner)}"'


def _traceback(record: logging.LogRecord) -> str:
    """The exception's traceback, or the end of a long one, since the end tells what happened."""
    assert record.exc_info is not None
    return logging.Formatter().formatException(record.exc_info)[-MAX_TRACEBACK_CHARS:]
