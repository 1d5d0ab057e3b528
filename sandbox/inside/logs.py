"""The module `logging` of programs: to standard output, formatted under the rules for attributes.

The library's own opens files and sockets, and formats without a guard. Here are loggers with levels, `%`, `{` and `$`
styles of Formatter, and one kind of handler, which prints.
"""

from __future__ import annotations

import string
import sys
import time
from collections.abc import Callable
from typing import Any

from sandbox.inside import attributes, caught_errors, failure, formatting, names, refusals

CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET = 50, 40, 30, 20, 10, 0
FATAL, WARN = CRITICAL, WARNING
_LEVELS = {50: "CRITICAL", 40: "ERROR", 30: "WARNING", 20: "INFO", 10: "DEBUG", 0: "NOTSET"}
BASIC_FORMAT = "%(levelname)s:%(name)s:%(message)s"
_started = time.time()


def _level(level: Any) -> int:
    if issubclass(type(level), int):
        return int(level)
    for number, name in _LEVELS.items():
        if name == level or (level == "WARN" and number == WARNING) or (level == "FATAL" and number == CRITICAL):
            return number
    raise ValueError(f"Unknown level: {level!r}")


def getLevelName(level: Any) -> Any:  # noqa: N802  (the library's name)
    """logging.getLevelName."""
    if type(level) is str:
        return next((number for number, name in _LEVELS.items() if name == level), f"Level {level}")
    return _LEVELS.get(level, f"Level {level}")


def addLevelName(level: int, levelName: str) -> None:  # noqa: N802, N803  (the library's names)
    """logging.addLevelName."""
    _LEVELS[level] = levelName


class LogRecord:
    """What a formatter is given. The ids of the process and the thread are made up."""

    pathname, filename, module = names.FILENAME, names.FILENAME, names.MODULE
    process, processName = 1, "MainProcess"  # noqa: N815
    thread, threadName, taskName, stack_info = 1, "MainThread", None, None  # noqa: N815

    def __init__(
        self, name: str, level: int, msg: Any, args: tuple[Any, ...], error: Any, place: tuple[int, str] = (0, "")
    ) -> None:
        now = time.time()
        self.lineno, self.funcName = place
        self.name, self.levelno, self.levelname = name, level, getLevelName(level)
        self.msg, self.args, self.created = msg, args, now
        self.msecs, self.relativeCreated = (now - int(now)) * 1000, (now - _started) * 1000
        self.exc_info, self.exc_text = _exc_info_of(error), None if error is None else failure.text_of(error)
        self.message = self.asctime = ""

    def getMessage(self) -> str:  # noqa: N802
        """The message with its arguments."""
        text = str(self.msg)
        if not self.args:
            return text
        one_mapping = len(self.args) == 1 and type(self.args[0]) is dict and self.args[0]
        return str.__str__(text) % (self.args[0] if one_mapping else self.args)


class Formatter:
    """logging.Formatter."""

    default_time_format = "%Y-%m-%d %H:%M:%S"

    def __init__(self, fmt: Any = None, datefmt: Any = None, style: str = "%") -> None:
        if style not in _STYLES:
            raise ValueError(f"Style must be one of: {','.join(_STYLES)}")
        self._style = style
        self._format = str.__str__(str(fmt)) if fmt is not None else _STYLES[style]
        self.datefmt = datefmt

    def formatTime(self, record: Any, datefmt: Any = None) -> str:  # noqa: N802
        """The record's time, in UTC."""
        moment = time.gmtime(record.created)
        if datefmt:
            return time.strftime(datefmt, moment)
        return f"{time.strftime(self.default_time_format, moment)},{int(record.msecs):03d}"

    def format(self, record: Any) -> str:
        """The record as text."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        text = _styled(self._style, self._format, _values_of(record))
        return f"{text}\n{record.exc_text}" if record.exc_text else text

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """What sys.exc_info() gives, as text."""
        error = _error_of(ei)
        return "NoneType: None" if error is None else failure.text_of(error)

    def formatMessage(self, record: Any) -> str:  # noqa: N802
        """The record as text, without the exception."""
        return _styled(self._style, self._format, _values_of(record))


def _exc_info_of(error: Any) -> Any:
    """As sys.exc_info() but for the traceback, which leads to frames."""
    return None if error is None else (type(error), error, None)


#: What every record has.
_OF_ALL_RECORDS = {key: value for key, value in vars(LogRecord).items() if not key.startswith("_")}


def _values_of(record: Any) -> dict[str, Any]:
    """What a format may name."""
    own = attributes.guarded_getattr(record, "__dict__")
    return {key: value for key, value in {**_OF_ALL_RECORDS, **own}.items() if key not in _NO_TEXTS}


#: Of a record; the exception follows the text by itself.
_NO_TEXTS = frozenset({"exc_text", "exc_info", "getMessage"})
_STYLES = {"%": "%(message)s", "{": "{message}", "$": "${message}"}


def _styled(style: str, template: str, values: dict[str, Any]) -> str:
    if style == "%":
        return template % values
    if style == "{":
        return formatting.format_string_map(template, values)
    return string.Template(template).substitute(values)


class Filter:
    """logging.Filter: lets through what comes from a logger of this name or below."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def filter(self, record: Any) -> Any:
        """Whether the record is let through."""
        return not self.name or record.name == self.name or record.name.startswith(f"{self.name}.")


class _Filtered:
    """What has filters."""

    filters: list[Any]

    def addFilter(self, filter: Any) -> None:  # noqa: N802
        """Ask this filter too."""
        if filter not in self.filters:
            self.filters.append(filter)

    def removeFilter(self, filter: Any) -> None:  # noqa: N802
        """Ask it no more."""
        if filter in self.filters:
            self.filters.remove(filter)

    def filter(self, record: Any) -> bool:
        """Whether all filters let the record through."""
        return all((each.filter if hasattr(each, "filter") else each)(record) for each in list(self.filters))


class Handler(_Filtered):
    """logging.Handler, which prints: to standard output, or to its stream."""

    stream: Any = None
    terminator = "\n"

    def __init__(self, level: Any = NOTSET) -> None:
        self.level = _level(level)
        self.formatter: Any = None
        self.filters = []

    def setLevel(self, level: Any) -> None:  # noqa: N802
        """From which level on it prints."""
        self.level = _level(level)

    def setFormatter(self, fmt: Any) -> None:  # noqa: N802
        """How it prints."""
        self.formatter = fmt

    def format(self, record: Any) -> str:
        """The record as text."""
        text: str = (self.formatter or _plain).format(record)
        return text

    def handle(self, record: Any) -> None:
        """Print the record, if the filters let it through."""
        if self.filter(record):
            self.emit(record)

    def emit(self, record: Any) -> None:
        """Print the record, as a subclass likes."""
        try:
            text = self.format(record)
            write: Callable[[str], Any] = failure.tell if self.stream is None else self.stream.write
            write(f"{text}{self.terminator}")
        except (RecursionError, MemoryError, refusals.SecurityError):
            raise
        except Exception:
            self.handleError(record)

    def handleError(self, record: Any) -> None:  # noqa: N802
        """Tell of the exception at hand: a message that does not fit its arguments should not end the program."""
        error = sys.exc_info()[1]
        if error is None:
            return
        try:
            of = f"Line {record.lineno}, message: {record.msg!r}, arguments: {record.args!r}"
        except Exception:
            of = "The message and its arguments can't be shown."
        failure.tell(f"--- Logging error ---\n{failure.text_of(error)}\n{of}\n")

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class StreamHandler(Handler):
    """logging.StreamHandler: to standard output, or to what has a `write` like io.StringIO."""

    def __init__(self, stream: Any = None) -> None:
        super().__init__()
        self.stream = stream


class NullHandler(Handler):
    """logging.NullHandler."""

    def emit(self, record: Any) -> None:
        """Print nothing."""


class Logger(_Filtered):
    """logging.Logger."""

    def __init__(self, name: str, parent: Any = None, level: Any = NOTSET) -> None:
        self.name, self.parent, self.level = name, parent, _level(level)
        self.handlers: list[Any] = []
        self.filters = []
        self.propagate, self.disabled = True, False

    def setLevel(self, level: Any) -> None:  # noqa: N802
        """From which level on it lets messages through."""
        self.level = _level(level)

    def getEffectiveLevel(self) -> int:  # noqa: N802
        """Its level, or that of the nearest parent which has one."""
        logger = self
        while logger.level == NOTSET and logger.parent is not None:
            logger = logger.parent
        return logger.level

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        """Whether a message of the level is let through."""
        return not self.disabled and level > _disabled[0] and level >= self.getEffectiveLevel()

    def getChild(self, suffix: str) -> Any:  # noqa: N802
        """The logger below this one."""
        return getLogger(suffix if self.parent is None else f"{self.name}.{suffix}")

    def addHandler(self, hdlr: Any) -> None:  # noqa: N802
        """Print by this handler."""
        if hdlr not in self.handlers:
            self.handlers.append(hdlr)

    def removeHandler(self, hdlr: Any) -> None:  # noqa: N802
        """Print by it no more."""
        if hdlr in self.handlers:
            self.handlers.remove(hdlr)

    def hasHandlers(self) -> bool:  # noqa: N802
        """Whether it or a parent has one."""
        return bool(_handlers_of(self))

    def log(self, level: int, msg: Any, *args: Any, exc_info: Any = None, extra: Any = None, **_: Any) -> None:
        """A message of any level."""
        if not self.isEnabledFor(level):
            return
        record = LogRecord(self.name, level, msg, args, _error_of(exc_info), _place_of_caller())
        for key, value in dict(extra or {}).items():
            if type(key) is str and not key.startswith("_") and key not in vars(record):
                vars(record)[key] = value
        if not self.filter(record):
            return
        handlers = _handlers_of(self)
        if handlers:
            for each in handlers:
                if level >= each.level:
                    each.handle(record)
        elif level >= WARNING:
            _last_resort.handle(record)

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """A message for who looks for a fault."""
        self.log(DEBUG, msg, *args, **kwargs)

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """A message that all is well."""
        self.log(INFO, msg, *args, **kwargs)

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """A message that something may be wrong."""
        self.log(WARNING, msg, *args, **kwargs)

    warn = warning

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """A message that something is wrong."""
        self.log(ERROR, msg, *args, **kwargs)

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """A message that it can't go on."""
        self.log(CRITICAL, msg, *args, **kwargs)

    fatal = critical

    def exception(self, msg: Any, *args: Any, exc_info: Any = True, **kwargs: Any) -> None:
        """An error with the traceback of the exception that is being handled."""
        self.log(ERROR, msg, *args, exc_info=exc_info, **kwargs)


def _error_of(exc_info: Any) -> BaseException | None:
    """The exception that `exc_info=` means."""
    if not exc_info:
        return None
    given = exc_info[1] if type(exc_info) is tuple and len(exc_info) == 3 else exc_info
    return given if issubclass(type(given), BaseException) else caught_errors.handled_error()


def _place_of_caller() -> tuple[int, str]:
    """Line and function of the program that logs."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != names.FILENAME:
        frame = frame.f_back
    return (0, "") if frame is None else (frame.f_lineno, frame.f_code.co_name)


def _handlers_of(logger: Any) -> list[Any]:
    found: list[Any] = []
    while logger is not None:
        found += logger.handlers
        logger = logger.parent if logger.propagate else None
    return found


_plain = Formatter()
_last_resort = StreamHandler()
_disabled = [NOTSET]
root = Logger("root", None, WARNING)
_loggers: dict[str, Logger] = {}


def getLogger(name: str | None = None) -> Logger:  # noqa: N802
    """logging.getLogger."""
    if not name or name == "root":
        return root
    if type(name) is not str:
        raise TypeError("A logger name must be a string")
    if name not in _loggers:
        parent, dot, _ = name.rpartition(".")
        _loggers[name] = Logger(name, getLogger(parent) if dot else root)
    return _loggers[name]


def basicConfig(  # noqa: N802
    *,
    level: Any = None,
    format: Any = None,
    datefmt: Any = None,
    style: str = "%",
    stream: Any = None,
    handlers: Any = None,
    force: bool = False,
    **others: Any,
) -> None:
    """logging.basicConfig, to standard output. A file name is refused."""
    if others.get("filename") is not None:
        raise refusals.SecurityError("logging goes to standard output in the sandbox: there are no files")
    if force:
        root.handlers.clear()
    if root.handlers:
        return
    default = {"%": BASIC_FORMAT, "{": "{levelname}:{name}:{message}", "$": "${levelname}:${name}:${message}"}
    for each in handlers or [StreamHandler(stream)]:
        if each.formatter is None:
            each.setFormatter(Formatter(format or default.get(style), datefmt, style))
        root.addHandler(each)
    if level is not None:
        root.setLevel(level)


def disable(level: Any = CRITICAL) -> None:
    """logging.disable."""
    _disabled[0] = _level(level)


def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """A message of any level, by the root logger."""
    if not root.handlers:
        basicConfig()
    root.log(level, msg, *args, **kwargs)


def _by_root(level: int) -> Callable[..., None]:
    def say(msg: Any, *args: Any, **kwargs: Any) -> None:
        log(level, msg, *args, **kwargs)

    return say


def exception(msg: Any, *args: Any, exc_info: Any = True, **kwargs: Any) -> None:
    """An error with the traceback of the exception that is being handled."""
    log(ERROR, msg, *args, exc_info=exc_info, **kwargs)


debug, info, warning, warn = _by_root(DEBUG), _by_root(INFO), _by_root(WARNING), _by_root(WARNING)
error, critical, fatal = _by_root(ERROR), _by_root(CRITICAL), _by_root(CRITICAL)
