"""Each event is one line, whatever it contains, for people or for machines."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import start
from app import logs
from app.settings import read_settings

NOON = 1_795_422_600.0  # 2026-11-23T08:30:00Z


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Undo what `configure` changes in this process."""
    names = [*logs.FOREIGN, *logs.FLOORS]
    root = logging.getLogger()
    before = [(name, logging.getLogger(name).level, logging.getLogger(name).handlers) for name in names]
    handlers, level = root.handlers, root.level
    yield
    for added in {*root.handlers} - {*handlers}:
        added.close()
    root.handlers, root.level = handlers, level
    for name, old_level, old_handlers in before:
        logging.getLogger(name).setLevel(old_level)
        logging.getLogger(name).handlers = old_handlers
    logging.captureWarnings(False)


def record(message: str = "task finished", name: str = "celeriac.tasks", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "tasks.py", 1, message, None, None)
    made.created, made.msecs = NOON, 0.0
    vars(made).update(extra)
    return made


def text(message: str = "task finished", **extra: Any) -> str:
    return logs.TextFormatter().format(record(message, **extra))


def as_json(message: str = "task finished", **extra: Any) -> dict[str, Any]:
    line = logs.JsonFormatter().format(record(message, **extra))
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    return fields


def failure(error: BaseException) -> Any:
    try:
        raise error
    except BaseException:
        return sys.exc_info()


# --- text ------------------------------------------------------------------------------------------------


def test_text_is_time_level_logger_message_and_extras() -> None:
    assert text(action="task_finished", task_id="0198", attempt=1, duration_ms=3.1) == (
        "2026-11-23T08:30:00.000Z INFO celeriac.tasks task finished "
        "action=task_finished task_id=0198 attempt=1 duration_ms=3.1"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("x\ny", r'"x\ny"'),
        ("\x1b[2J", r"\x1b[2J"),  # would clear the terminal
        ("a\u2028b", r'"a\u2028b"'),  # some programs end a line here
        ("\u202edlrow", r"\u202edlrow"),  # would reverse the line
        ("\ud800", r"\ud800"),  # can't be encoded
        ("grün", "grün"),
        (None, "null"),
        (True, "true"),
        (math.nan, "nan"),
        (["a", 1], r'"[\"a\", 1]"'),
    ],
)
def test_value_is_readable_and_can_not_forge_anything(value: Any, written: str) -> None:
    assert text(value=value).partition(" value=")[2] == written


def test_message_can_not_forge_a_line() -> None:
    line = text("name\n2026-11-23T08:30:00.000Z ERROR celeriac forged")
    assert line.endswith(r"name\n2026-11-23T08:30:00.000Z ERROR celeriac forged")
    assert "\n" not in line


@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=200))
def test_any_text_gives_one_line_that_can_be_written(message: str, value: str) -> None:
    line = text(message.replace("%", "%%"), value=value)
    assert len(line.splitlines()) == 1
    line.encode()


def test_exception_is_one_escaped_field() -> None:
    line = text(exc_info=failure(ValueError("no\nway")))
    assert "\n" not in line
    assert r"""error="ValueError('no\\nway')" traceback="Traceback (most recent call last):\n""" in line
    assert line.endswith(r'ValueError: no\nway"')


def test_long_values_are_cut_and_say_so() -> None:
    line = text("m" * 5_000, value="v" * 3_000)
    assert "m" * 2_000 + "… (5000 characters)" in line
    assert line.endswith("v" * 2_000 + '… (3000 characters)"')


def test_number_of_extras_is_bounded() -> None:
    extras: dict[str, Any] = {f"key{number}": number for number in range(100)}
    assert text(**extras).count("=") == 32


def test_huge_integer_is_described() -> None:
    assert text(value=1 << 100_000).endswith('value="an integer of 100001 bits"')


# --- json ------------------------------------------------------------------------------------------------


def test_json_has_the_same_as_fields() -> None:
    assert as_json(action="task_finished", attempt=1, duration_ms=3.1, stopped=False, line=None) == {
        "time": "2026-11-23T08:30:00.000Z",
        "level": "INFO",
        "logger": "celeriac.tasks",
        "message": "task finished",
        "action": "task_finished",
        "attempt": 1,
        "duration_ms": 3.1,
        "stopped": False,
        "line": None,
    }


def test_json_carries_the_traceback() -> None:
    fields = as_json(exc_info=failure(ValueError("no")))
    assert fields["traceback"].endswith("ValueError: no")


def test_json_stays_json_with_any_value() -> None:
    fields = as_json(value=math.inf, thing=object, many={"a": {1, 2}, ("k",): 1}, huge=1 << 70)
    assert fields["value"] == "inf"
    assert fields["many"] == '{"a": "{1, 2}"}'
    assert fields["huge"] == "an integer of 71 bits"


def test_extra_can_not_replace_a_field() -> None:
    assert as_json(level="DEBUG", time="never")["level"] == "INFO"


# --- other packages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["celery.app.trace", "kombu.transport", "_granian", "urllib3.connectionpool"])
def test_extras_of_other_packages_are_dropped(name: str) -> None:
    attached = record(name=name, data={"args": "secret"})
    assert "secret" not in logs.TextFormatter().format(attached)
    assert "secret" not in logs.JsonFormatter().format(attached)


def configured(monkeypatch: pytest.MonkeyPatch, **settings: str) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(read_settings(settings))
    return stream


@pytest.mark.parametrize("name", ["celeriac.tasks", "celery.beat", "kombu.connection", "_granian", "werkzeug"])
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_package_logs_in_our_form(log_format: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger(name).handlers = [logging.NullHandler()]
    stream = configured(monkeypatch, LOG_FORMAT=log_format)
    logging.getLogger(name).warning("hello %s", "you")
    (line,) = stream.getvalue().splitlines()
    assert name.removeprefix("_") in line
    assert "hello you" in line
    assert line.startswith("{" if log_format == "json" else "2")


@pytest.mark.parametrize("name", ["celery.app.trace", "celery.worker.strategy"])
def test_celerys_lines_about_each_task_are_dropped_and_its_warnings_are_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = configured(monkeypatch)
    logging.getLogger(name).info("Task x succeeded in 0.1s")
    assert stream.getvalue() == ""
    logging.getLogger(name).error("Task x raised")
    assert "Task x raised" in stream.getvalue()


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "kombu.transport.redis", "celery.pool"])
def test_debug_does_not_reveal_what_may_hold_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, LOG_LEVEL="DEBUG")
    logging.getLogger(name).debug("GET /?token=secret")
    logging.getLogger("celeriac.tasks").debug("ours")
    assert "secret" not in stream.getvalue()
    assert "ours" in stream.getvalue()


def test_level_holds_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, LOG_LEVEL="ERROR")
    for name in ("celeriac", "celery.app.trace", "urllib3"):
        logging.getLogger(name).warning("not wanted")
    assert stream.getvalue() == ""


def test_configuring_twice_does_not_double_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch)
    stream = configured(monkeypatch)
    logging.getLogger("celeriac").info("once")
    assert stream.getvalue().count("once") == 1


def test_python_warnings_are_logged_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    logging.getLogger("py.warnings").warning("%s", "file.py:1: UserWarning: old\n  code()\n")
    assert stream.getvalue().count("\n") == 1


def test_granian_writes_our_form_without_the_warning_we_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    granian_log = pytest.importorskip("granian.log")
    granian_log.configure_logging(granian_log.LogLevels.info, logs.granian_config(read_settings({})))
    logger = logging.getLogger("_granian")
    logger.warning("Configuration allows spawning up to 128 Python threads, which seems quite high")
    logger.info("Listening at: http://127.0.0.1:5001")
    logger.filters = []
    logger.propagate = True
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("INFO granian Listening at: http://127.0.0.1:5001")


@pytest.mark.parametrize("action", ["tasks_create", "task_started", "task_succeeded", "delivered"])
def test_lines_of_tasks_that_do_what_they_should_can_be_left_out(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, LOG_TASKS="failures")
    logging.getLogger("celeriac.tasks").info("as it should be", extra={"action": action})
    assert stream.getvalue() == ""
    logging.getLogger("celeriac.tasks").warning("task failed", extra={"action": "task_failed"})
    logging.getLogger("celeriac.tasks").info("without an action")
    assert len(stream.getvalue().splitlines()) == 2


def test_a_line_that_can_not_be_written_is_lost_and_blocks_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full, Path(os.devnull).open("w") as patient:
        monkeypatch.setattr(sys, "stderr", full)
        monkeypatch.setattr(logs, "reopened", lambda fd: io.StringIO())
        handler = logs.handler("text")
        handler.handle(record("lost"))
        sys.stderr.flush()  # as multiprocessing does before each fork
        handler.handle(record("written"))
        assert isinstance(sys.stderr, io.StringIO)
        assert "written" in sys.stderr.getvalue()
        os.dup2(patient.fileno(), full.fileno())  # or `full` could not be closed


class Writes(io.RawIOBase):
    """What is written, call by call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.calls.append(bytes(data))
        return len(data)


@pytest.mark.parametrize("name", ["start.py", "the handler"])
def test_a_line_is_one_write_where_nothing_is_buffered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes write to one pipe. With PYTHONUNBUFFERED, `print` writes the end of a line by itself."""
    writes = Writes()
    stream = io.TextIOWrapper(writes, write_through=True)  # as PYTHONUNBUFFERED makes it
    monkeypatch.setattr(sys, "stdout", stream)
    if name == "start.py":
        start.say("it is ready")
    else:
        handler = logs.handler("text")
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
        handler.emit(logging.LogRecord("celeriac.start", logging.INFO, "", 0, "it is ready", (), None))
    (call,) = writes.calls
    assert call.endswith(b"it is ready\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no file that is always full")
def test_nothing_is_left_in_a_stream_that_could_not_be_written() -> None:
    """multiprocessing flushes the streams before a fork, and newer Pythons when one goes: both would fail."""
    with Path("/dev/full").open("w") as full:
        stream = logs.reopened(full.fileno())
        with pytest.raises(OSError, match="No space left"):
            stream.write("it is lost\n")
        stream.flush()
        del stream  # what fails now fails the test


# --- a file -------------------------------------------------------------------------------------------------


def test_a_file_gets_the_lines_and_a_new_one_those_after_its_rotation(tmp_path: Path) -> None:
    file, moved = tmp_path / "worker.log", tmp_path / "worker.log.1"
    file.write_text("from before\n")
    logs.configure(read_settings({"LOG_TASKS": "failures"}), str(file))
    logger = logging.getLogger("celeriac.tasks")
    logger.info("one", extra={"task_id": "t"})
    logger.info("routine", extra={"action": "task_started"})
    file.rename(moved)
    logger.info("two")
    first, second = moved.read_text().splitlines()
    assert first == "from before"
    assert second.endswith(" INFO celeriac.tasks one task_id=t")
    assert file.read_text().endswith(" INFO celeriac.tasks two\n")


def test_a_line_that_does_not_fit_into_its_file_is_lost_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "folder" / "worker.log"
    file.parent.mkdir()
    file.symlink_to("/dev/full")
    logs.configure(read_settings({}), str(file))
    logger = logging.getLogger("celeriac.tasks")
    logger.info("the disk is full")
    file.unlink()
    file.parent.rmdir()
    logger.info("there is no folder")
    file.parent.mkdir()
    logger.info("it is back")
    assert file.read_text().endswith(" INFO celeriac.tasks it is back\n")
    assert file.read_text().count("\n") == 1
    assert capsys.readouterr().err == ""
