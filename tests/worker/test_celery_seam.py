"""The README of tasks/celery_seam names every internal of Celery and kombu that we lean on, and each exists."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.apps import worker as celery_worker
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import consumer as celery_consumer
from kombu import Connection

from app import logs
from celery_app import TRANSPORT_OPTIONS, kombu_url
from tasks.celery_seam import transport
from tasks.celery_seam.consumer import SILENCED_WARNING
from tasks.celery_seam.last_fetch import last_fetch
from tasks.celery_seam.spoken import speak_in_our_form
from tests.servers import ROOT, wait_until
from tests.worker.conftest import Start

FOLDER = ROOT / "tasks" / "celery_seam"
FOREIGN = ("celery", "kombu", "redis")

_ROW = re.compile(r"\| `([\w.]+):([\w.]+)(?:\(([\w, ]+)\))?` \| (\w+) ([\d.]+) \| [^|]+ \| `([\w/.]+)::(\w+)` \|")
_HEADERS = ("| name | read in | what we need it for | test that notices |", "|---|---|---|---|")


@dataclass(frozen=True, slots=True)
class Row:
    """One name of Celery, kombu or redis-py, and the file of ours that uses it."""

    file: str
    module: str
    path: str
    parameters: tuple[str, ...]
    package: str
    version: str
    test_file: str
    test: str

    @property
    def last_name(self) -> str:
        return self.path.rpartition(".")[2]

    def root(self) -> Any:
        """The class, function or value that the path begins with."""
        return getattr(importlib.import_module(self.module), self.path.partition(".")[0])


def rows() -> Iterator[Row]:
    """The rows of every table below a heading that names a file of ours."""
    file = ""
    for line in (FOLDER / "README.md").read_text().splitlines():
        if line.startswith("#"):
            match = re.fullmatch(r"## `(.+)`", line)
            file = match[1] if match else ""
        elif file and line.startswith("|") and line not in _HEADERS:
            row = _ROW.fullmatch(line)
            assert row, f"the README has a row that can't be read: {line}"
            module, path, parameters, package, version, test_file, test = row.groups()
            given = tuple(parameters.split(", ")) if parameters else ()
            yield Row(file, module, path, given, package, version, test_file, test)


ROWS = list(rows())


def has(owner: Any, name: str) -> bool:
    """Whether a class has an attribute, or sets it on its instances."""
    return hasattr(owner, name) or any(name in said_of_self(base) for base in owner.__mro__ if is_foreign(base))


@cache
def said_of_self(kind: type) -> set[str]:
    """The attributes of an instance that the class's own methods name."""
    methods = filter(inspect.isfunction, vars(kind).values())
    return {name for method in methods for name in re.findall(r"\bself\.(\w+)", inspect.getsource(method))}


def is_foreign(kind: type) -> bool:
    """Whether a class is Celery's, kombu's or redis-py's."""
    return kind.__module__.partition(".")[0] in FOREIGN


# --- the table against the packages ------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}-{row.path}")
def test_every_listed_name_exists(row: Row) -> None:
    root = row.root()
    _, _, attribute = row.path.partition(".")
    assert not attribute or has(root, attribute)
    if row.parameters:
        found = inspect.signature(getattr(root, attribute) if attribute else root)
        assert set(row.parameters) <= found.parameters.keys()


@pytest.mark.parametrize("package", sorted({row.package for row in ROWS}))
def test_the_table_was_read_in_the_installed_version(package: str) -> None:
    """After an upgrade somebody has to read the places listed again; the README says how."""
    read_in = {row.version for row in ROWS if row.package == package}
    assert read_in == {importlib.metadata.version(package)}
    assert f"\n{package}=={read_in.pop()} " in (ROOT / "requirements.txt").read_text()


#: Listed for what they do around our code: no file of ours says their names.
SEEN_FROM_OUTSIDE = {"MultiChannelPoller.on_poll_start", "Channel.handlers", "Channel.decode_body", "logger"}
SEEN_FROM_OUTSIDE |= {"Channel.prepare_message", "Celery.producer_or_acquire", "CANCEL_TASKS_BY_DEFAULT"}


def test_every_row_names_a_file_that_uses_the_name() -> None:
    unused = [row for row in ROWS if not is_used(row)]
    assert unused == []


def is_used(row: Row) -> bool:
    """Whether the file says the name or one of its parameters."""
    path = ROOT / row.file
    words = set(re.findall(r"\w+", path.read_text()))
    return bool(words & {row.last_name, *row.parameters}) or row.path in SEEN_FROM_OUTSIDE


def test_every_named_test_exists() -> None:
    missing = {
        (row.test_file, row.test) for row in ROWS if row.test not in names_of_tests(ROOT / "tests" / row.test_file)
    }
    assert missing == set()


@cache
def names_of_tests(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


# --- the folder against the table --------------------------------------------------------------------

MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def listed(module: str) -> list[Row]:
    """The rows for a module of the folder."""
    return [row for row in ROWS if row.file == f"tasks/celery_seam/{module}.py"]


def classes(module: str) -> list[type]:
    """The classes that a module of the folder defines."""
    found = importlib.import_module(f"tasks.celery_seam.{module}")
    return [kind for kind in vars(found).values() if isinstance(kind, type) and kind.__module__ == found.__name__]


def foreign_bases(module: str) -> set[type]:
    """The classes of Celery and kombu that a module's classes inherit from."""
    bases = {base for kind in classes(module) for base in kind.__mro__}
    return {base for base in bases if is_foreign(base)}


@pytest.mark.parametrize("module", MODULES)
def test_every_private_name_that_is_used_is_listed(module: str) -> None:
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {word.value for word in ast.walk(tree) if isinstance(word, ast.Constant) and isinstance(word.value, str)}
    private = {name for name in used if re.fullmatch(r"_[a-z]\w*", name)}
    unlisted = private - own_names(tree, module) - {row.last_name for row in listed(module)}
    assert unlisted == set()


def own_names(tree: ast.Module, module: str) -> set[str]:
    """What the module defines and no class that it inherits from has."""
    return {name for name in defined(tree) if not any(has(base, name) for base in foreign_bases(module))}


def defined(tree: ast.Module) -> set[str]:
    """Functions, methods, and attributes that are set, on a class or on an instance."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    kinds = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    stored = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    assigned = [node for kind in kinds for node in kind.body if isinstance(node, ast.Assign)]
    targets = {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}
    return functions | {node.attr for node in stored} | targets


@pytest.mark.parametrize("module", MODULES)
def test_everything_that_is_overridden_is_listed(module: str) -> None:
    names = defined(ast.parse((FOLDER / f"{module}.py").read_text()))
    overridden = {name for name in names if any(has(base, name) for base in foreign_bases(module))}
    assert overridden - {"__init__"} - {row.last_name for row in listed(module)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_everything_that_is_imported_is_listed(module: str) -> None:
    known = [(row.module, row.root()) for row in listed(module)]
    unlisted = []
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(FOREIGN):
            unlisted += [alias.name for alias in node.names if not is_listed(node.module, alias.name, known)]
        elif isinstance(node, ast.Import):
            unlisted += [alias.name for alias in node.names if alias.name.startswith(FOREIGN)]
    assert unlisted == []


def is_listed(module: str | None, name: str, known: list[tuple[str, Any]]) -> bool:
    source = importlib.import_module(str(module))
    found = getattr(source, name, None) or importlib.import_module(f"{module}.{name}")
    if isinstance(found, types.ModuleType):
        return any(where == found.__name__ for where, _ in known)
    return any(root is found for _, root in known)


# --- behaviour that no other test notices --------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "ours", "channel"),
    [
        ("redis://localhost:6379/0", transport.Transport, transport.Channel),
        ("rediss://localhost:6379/0", transport.Transport, transport.Channel),
        ("unix:///tmp/redis.sock?db=1", transport.Transport, transport.Channel),
        ("sentinel://one:26379/prime", transport.SentinelTransport, transport.SentinelChannel),
    ],
)
def test_connections_use_our_transport(url: str, ours: type, channel: type) -> None:
    with Connection(kombu_url(url)) as connection:
        assert connection.get_transport_cls() is ours
        assert connection.transport.Channel is channel


def test_a_full_worker_counts_as_fetching(redis_url: str, raw_redis: redis.Redis) -> None:
    with Connection(kombu_url(redis_url), transport_options=TRANSPORT_OPTIONS) as connection:
        channel = connection.default_channel
        channel.basic_qos(prefetch_count=1)
        before = last_fetch.moment()
        assert channel.qos.can_consume()
        assert last_fetch.moment() == before, "there is room: only an answer of Redis counts"
        channel.qos.append(object(), "tag")
        assert not channel.qos.can_consume()
        assert last_fetch.moment() != before


def test_a_worker_does_not_look_for_others(start_worker: Start, raw_redis: redis.Redis) -> None:
    worker = start_worker()
    assert "mingle:" not in worker.output, "Mingle says that it searches"
    wait_until(raw_redis.pubsub_numpat, 10, "remote control's pattern")
    assert raw_redis.pubsub_numpat() == 1, "Gossip adds one for other workers' events"


def test_the_warning_that_is_silenced_is_the_one_celery_gives() -> None:
    assert re.match(SILENCED_WARNING, celery_consumer.CANCEL_TASKS_BY_DEFAULT)
    source = inspect.getsource(celery_consumer.Consumer.on_connection_error_after_connected)
    assert f"warnings.warn(CANCEL_TASKS_BY_DEFAULT, {CPendingDeprecationWarning.__name__}" in source


def test_the_loggers_that_are_quietened_are_celerys_own() -> None:
    names = {row.root().name for row in ROWS if row.file == "app/logs.py"}
    assert names == {name for name in logs.FLOORS if name.startswith("celery")}


def test_a_signal_is_handled_although_nothing_can_be_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery tells us of the end only after it has printed."""
    monkeypatch.setattr(celery_worker, "safe_say", None)
    speak_in_our_form("text")
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(logs, "descriptor", full.fileno)
        celery_worker.safe_say("worker: Warm shutdown (MainProcess)")
    celery_worker.safe_say("the file was closed")
