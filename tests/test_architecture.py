"""Who may import whom: the table of the design, read from every file's syntax tree."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.servers import RedisServer

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("app", "tasks", "sandbox")
SINGLES = ("celery_app", "start", "test_task_types")
#: Importing them is starting something.
ENTRY_POINTS = {"app.wsgi"}


def within(*packages: str) -> Callable[[str], bool]:
    """Whether a module is one of these or inside one of them."""
    return lambda module: any(module == package or module.startswith(f"{package}.") for package in packages)


#: imported package -> the modules of ours that may import it, and why nobody else.
ALLOWED_ONLY_IN: dict[str, tuple[Callable[[str], bool], str]] = {
    "tasks": (within("tasks", "celery_app", "start"), "app/ is what tasks/ stands on"),
    "flask": (within("app.api", "app.console", "app.application"), "the service knows no HTTP"),
    "werkzeug": (within("app.api", "app.console", "app.application"), "the service knows no HTTP"),
    # start, the composition root, asks the server that it was given what it will be like to live with
    "redis": (within("app.store", "start"), "the store is the only way to Redis"),
    "celery": (within("celery_app", "tasks", "app.messaging"), "the broker may be another one day"),
    "kombu": (within("celery_app", "tasks"), "the broker may be another one day"),
    "celery_app": (within("tasks", "start"), "app/ is what celery_app stands on"),
    "RestrictedPython": (within("sandbox"), "programs are compiled where they run"),
    "requests": (within("tasks.http", "test_task_types"), "calls go through the checked client"),
    "opentelemetry": (within("app.tracing.spans"), "nothing is imported while tracing is off"),
    "urllib3": (within("tasks.http"), "calls go through the checked client"),
}

#: module of ours -> packages that it may not import, however useful they look.
FORBIDDEN_IN: list[tuple[Callable[[str], bool], set[str]]] = [
    (within("app.domain"), {"flask", "redis", "celery", "kombu", "time", "socket", "os", "logging"}),
    (within("app.domain"), {"app.store", "app.api", "app.clock", "app.settings", "tasks", "sandbox"}),
    (within("app.store"), {"app.api", "app.usecases.tasks", "app.settings", "flask", "celery", "kombu"}),
    (within("sandbox"), {"app", "tasks", "celery_app", "start", "flask", "redis", "celery", "requests"}),
    (within("tasks.http"), {"app.store", "app.usecases.tasks", "celery", "redis", "flask"}),
]


def modules() -> dict[str, Path]:
    """Every module of ours: its dotted name and its file."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    paths += [ROOT / f"{name}.py" for name in SINGLES if (ROOT / f"{name}.py").exists()]
    return {dotted(path): path for path in paths}


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = modules()


@cache
def imported(module: str) -> tuple[str, ...]:
    """Everything that a module imports, anywhere in its file, by full dotted name."""
    return tuple(_imported(module))


def _imported(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_is_something_to_look_at() -> None:
    assert {"app.domain.spec", "app.store.tasks", "tasks.execute", "sandbox", "celery_app", "start"} <= MODULES.keys()


#: The rooms, the lowest first: a module imports from its own room and those before it, never from one behind it.
ROOMS = (
    "app.version",
    "sandbox",
    "app.domain",
    "app.redis_tls",
    "app.sentinel_url",
    "app.settings",
    "app.clock",
    "app.logs",
    "app.tracing",
    "app.store",
    "app.messaging",
    "app.usecases",
    "app.launch",
    "app.api",
    "app.console",
    "app.apply",
    "celery_app",
    "tasks.http",
    "tasks.executors",
    "tasks.leases",
    "tasks",  # beat, the worker's parts and what puts them together; tasks.celery_seam is among them
    "app.application",
    "app.wsgi",
    "start",
    "test_task_types",
)


def room_of(module: str) -> int | None:
    """The number of a module's room, None for a module that is not ours."""
    rooms = [number for number, room in enumerate(ROOMS) if within(room)(module)]
    return max(rooms, key=lambda number: len(ROOMS[number]), default=None)


def ours_imported_by(module: str) -> set[str]:
    """The modules of ours that a module imports: the longest name of each import that is one."""
    return {name for name in imported(module) if name in MODULES and name != module}


def test_every_module_has_a_room() -> None:
    homeless = {name for name in MODULES if room_of(name) is None and name != "app"}
    assert not homeless, sorted(homeless)


def test_no_import_runs_back_up() -> None:
    upward = set()
    for module in MODULES:
        own = room_of(module)
        for name in ours_imported_by(module):
            other = room_of(name)
            if own is not None and other is not None and other > own:
                upward.add((module, name))
    assert not upward, sorted(upward)


def test_there_is_no_circle_of_imports() -> None:
    """A package's own __init__ imports its modules: that is its list of names, and no circle with them."""
    graph = {module: ours_imported_by(module) for module in MODULES}
    for module, names in graph.items():
        graph[module] = {name for name in names if not module.startswith(f"{name}.")}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in done:
            return
        for name in graph[module]:
            visit(name, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("package", ALLOWED_ONLY_IN)
def test_a_package_is_imported_only_where_the_design_says(package: str) -> None:
    may, why = ALLOWED_ONLY_IN[package]
    is_package = within(package)
    found = {module for module in MODULES if not may(module) and any(map(is_package, imported(module)))}
    assert not found, f"{sorted(found)} import {package}: {why}"


@pytest.mark.parametrize(("where", "packages"), FORBIDDEN_IN)
def test_a_layer_knows_nothing_of_those_above_it(where: Callable[[str], bool], packages: set[str]) -> None:
    is_forbidden = within(*packages)
    found = {(module, name) for module in MODULES if where(module) for name in imported(module) if is_forbidden(name)}
    assert not found, sorted(found)


#: Imports every module named on its command line, and says what that did.
IMPORT_ALL = """
import importlib, logging, os, socket, subprocess, sys, threading

acts = []

def handlers():
    # those that write: a library's NullHandler keeps it silent
    loggers = map(logging.getLogger, [None, "celeriac", "celery", "kombu", "flask", "werkzeug"])
    return [[own for own in logger.handlers if not isinstance(own, logging.NullHandler)] for logger in loggers]

EVENTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.exec")

def note(event, args):
    # urllib3 looks whether this machine has IPv6
    if event in EVENTS and not (event == "socket.bind" and args[1] == ("::1", 0)):
        acts.append((event, str(args)[:200]))

sys.addaudithook(note)
ours = os.environ.copy()
for name in sys.argv[1:]:
    before = handlers()
    threads = threading.active_count()
    importlib.import_module(name)
    assert not acts, (name, acts)
    assert handlers() == before, (name, "added a logging handler")
    assert threading.active_count() == threads, (name, "started a thread")
    assert os.environ == ours, (name, "changed the environment")
print("imported", len(sys.argv) - 1)
"""


def test_importing_anything_connects_to_nothing_and_sets_up_no_logging() -> None:
    names = sorted(name for name in MODULES if name not in ENTRY_POINTS)
    env = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL, *names],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"imported {len(names)}\n"


#: What start.py does with an embedded server whose socket is in VAR_DIR, and what health checks import before they know
#: whom to ask; then all that has been imported.
START = """
import sys, start, app.launch.alive
from app.launch.redis_location import socket_url
settings = start.read_settings()
start._commands(settings, socket_url(settings))
start._require_known_form(settings, socket_url(settings))
print(*{name.partition('.')[0] for name in sys.modules})
"""


def test_the_process_that_starts_the_others_imports_none_of_what_they_need(own_server: RedisServer) -> None:
    """So it says its first line, and why it can't start, at once. Only before it forks does it import them.

    The health check of a container, which runs every 30 s, doesn't import them either: of these, only redis-py.
    """
    env = {**os.environ, "VAR_DIR": str(own_server.socket.parent)}
    done = subprocess.run([sys.executable, "-c", START], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"pydantic", "redis", "celery", "kombu", "flask", "requests"} & {*done.stdout.split()} == set()
