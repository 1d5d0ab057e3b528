"""The scheduled tasks that files declare: one document each, with its `key` and the fields of the API.

Two more fields are for files. `paused` says whether it is paused. `function_file` names a file with the program, beside
or below the file that names it. `${NAME}` in a header's value is an environment variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.apply.reading import MAX_FILE_BYTES, BadFile, read_json, read_yaml
from app.domain.cron.cron import EXAMPLE_ID
from app.domain.errors import InvalidSpec, Problem
from app.domain.fields import HIDDEN
from app.domain.schedule_key import RULE, is_schedule_key
from app.domain.spec import ScheduleSpec, parse_schedule
from app.usecases.timing import timing_problems

SUFFIXES = {".yaml": read_yaml, ".yml": read_yaml, ".json": read_json}
MAX_FILES = 1_000
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Invalid(Exception):
    """Files are invalid; `problems` are sentences with file and key."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Declared:
    """A scheduled task as a file declares it. body: for PUT; it may contain secrets. paused: None for "as it is"."""

    key: str
    paused: bool | None
    body: Mapping[str, Any] = field(repr=False)
    spec: ScheduleSpec = field(repr=False)


def read_files(paths: Iterable[Path], environ: Mapping[str, str], now_ms: int) -> list[Declared]:
    """All declarations in files and folders, in their order. Raises Invalid with every problem."""
    found: dict[str, Declared] = {}
    problems: list[str] = []
    for path in _files(paths):
        try:
            documents = SUFFIXES[path.suffix](_content(path))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        except BadFile as error:
            problems.append(f"{path}: {error}")
            continue
        for number, raw in enumerate(documents, start=1):
            declared, wrong = _declared(raw, path.parent, environ, now_ms)
            name = f"{path}: {_name(raw, number)}"
            if declared is not None and declared.key in found:
                wrong = [*wrong, "another document has this key"]
            problems += [f"{name}: {each}" for each in wrong]
            if declared is not None and not wrong:
                found[declared.key] = declared
    if problems:
        raise Invalid(problems)
    return list(found.values())


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    number = 0
    for path in paths:
        inside = sorted(_inside(path)) if path.is_dir() else [path]
        for each in inside:
            number += 1
            if number > MAX_FILES:
                raise Invalid([f"there are more than {MAX_FILES:,} files"])
            if not os.path.lexists(each):
                raise Invalid([f"{each}: there is no such file or folder"])
            if each.suffix not in SUFFIXES:
                raise Invalid([f"{each}: its name must end in {', '.join(SUFFIXES)}"])
            yield each


def _inside(folder: Path) -> Iterator[Path]:
    """The files in it and below, except hidden ones: those of git and CI, and the copies behind a ConfigMap's links."""
    for each in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in each.relative_to(folder).parts)
        if each.suffix in SUFFIXES and not is_hidden and not each.is_dir():
            yield each


def _content(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BadFile(f"it has more than {MAX_FILE_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadFile("it is not UTF-8") from None


def _name(raw: Any, number: int) -> str:
    key = raw.get("key") if isinstance(raw, dict) else None
    return key if isinstance(key, str) and key.isprintable() else f"document {number}"


def _declared(raw: Any, folder: Path, environ: Mapping[str, str], now_ms: int) -> tuple[Declared | None, list[str]]:
    if not isinstance(raw, dict):
        return None, ["must be an object with the fields of a scheduled task"]
    body = {"timezone": "UTC", **raw}
    key, paused = body.pop("key", None), body.pop("paused", None)
    problems = []
    if not is_schedule_key(key):
        problems.append(f"key {RULE}")
    if not isinstance(paused, bool | None):
        problems.append("paused must be true or false")
    problems += _with_program(body, folder)
    problems += _with_variables(body, environ)
    try:
        # An end may have passed since the file was applied first. The service knows whether it is a new one.
        spec = parse_schedule(body, lambda fields: timing_problems(fields, EXAMPLE_ID, now_ms, before=fields))
    except InvalidSpec as error:
        return None, [*problems, *map(_words, error.problems)]
    return Declared(str(key), paused, body, spec), problems


def _words(problem: Problem) -> str:
    return f"{problem.field} {problem.message}" if problem.field else problem.message


def _with_program(body: dict[str, Any], folder: Path) -> list[str]:
    """Replace `function_file` by the program in it; what is wrong with that."""
    name = body.pop("function_file", None)
    if name is None:
        return []
    if "function_code" in body or not isinstance(name, str):
        return ["function_file must be the name of a file, instead of function_code"]
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        return ["function_file must be beside the file that names it, or below it"]
    try:
        body["function_code"] = _content(path)
    except OSError as error:
        return [f"function_file can't be read: {error.strerror}"]
    except BadFile as error:
        return [f"function_file can't be read: {error}"]
    return []


def _with_variables(body: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Replace `${NAME}` in the values of headers; what is wrong with that."""
    headers = body.get("headers")
    if not isinstance(headers, dict):
        return []
    problems = []
    filled = dict(headers)
    for name, value in headers.items():
        if value == HIDDEN:
            problems.append(f"headers.{name} is hidden: write its value, or ${{NAME}} for an environment variable")
            del filled[name]  # so that the checks of the spec do not tell of it again
        elif isinstance(value, str):
            missing = [word for word in _VARIABLE.findall(value) if word not in environ]
            problems += [f"headers.{name} needs the environment variable {word}" for word in missing]
            filled[name] = _VARIABLE.sub(lambda found: environ.get(found[1], ""), value)
    body["headers"] = filled
    return problems
