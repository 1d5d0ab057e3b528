"""Start Celeriac: `python start.py [all|api|worker|beat]`; `python start.py --help` explains.

`python start.py COMMAND …` does something else: see COMMANDS. Where Celeriac is installed, both are called `celeriac`.

The composition root. `all` finds or starts the Redis, then runs the API, a worker for each kind of task, and beat as
children that are started again when they die. The other roles run one part in this process. Heavy modules are imported
only by the role that needs them, after the first line of output.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TextIO

from app import logs
from app.domain.errors import OtherForm
from app.domain.form import FORM
from app.domain.status import Kind
from app.launch import announcement, fork
from app.launch.child import PARENT_PID, module_command, run_module
from app.launch.command_name import command_line, command_name
from app.launch.embedded_redis import (
    STOP_SECONDS,
    EmbeddedServer,
    FolderInUse,
    RedisServerError,
    StartStopped,
)
from app.launch.http_server import PortNotFree, check_port, serve
from app.launch.imports import import_for_good
from app.launch.open_files import allow_many
from app.launch.processes import EXIT_NEWER_DATA, STOP_GRACE_SECONDS, Command, Supervisor
from app.launch.redis_location import find_redis_url, shown_url, socket_path, socket_url, value_at
from app.launch.stop_event import StopEvent
from app.redis_tls import with_absolute_files
from app.settings import EXIT_BAD_SETTINGS, Settings, SettingsError, absolute_paths, read_settings
from app.store.keys import PREFIX, Keys
from app.version import VERSION
from tasks import preload

ROOT = Path(__file__).resolve().parent
READY_SECONDS = 30.0
TICK_SECONDS = 0.2
PROMPT_GRACE_SECONDS = 3.0
#: What a worker needs beyond its grace: to hear the last answer of Redis, to give back, to end its children.
WORKER_END_SECONDS = 4.0
#: The commands beside the roles: module and function, imported only when the command is asked for.
COMMANDS = {
    "keys": ("app.launch.key_commands", "main"),
    "backup": ("app.launch.backup.command", "backup"),
    "restore": ("app.launch.backup.command", "restore"),
    "export": ("app.apply.command", "export"),
    "import": ("app.apply.command", "import_"),
    "apply": ("app.apply.command", "apply"),
}
CELERY_ROLES = "tasks.celery_roles"
NEEDED_BY_API = ("app.application", "granian.server")
FORM_KEY = Keys(PREFIX).form
EXIT_CANNOT_START = 1

HELP = """\
roles:
  all       everything (the default): finds a Redis or starts one in VAR_DIR, then the API, a worker
            for code tasks, a worker for API tasks, and beat; what dies is started again
  api       the HTTP API, the console (/) and the docs (/docs)
  worker    one worker for both kinds of task; one on each of as many machines as you like
  beat      fires what is due on a cron; one is enough, more do no harm

commands (`{command} COMMAND --help` explains each):
  keys      create, list, rotate and revoke API keys
  backup    write all data to a file, while the service runs
  restore   write the data of a backup into an empty Redis
  export    print the scheduled tasks that have a key, as YAML or JSON
  import    create or change the scheduled tasks that files declare
  apply     the same, with a difference first, and deletion of what no file declares

Ctrl-C or SIGTERM stops everything within 10 seconds; running attempts have 3 of them, or
SHUTDOWN_GRACE, and are given back to their queue then. Where no Redis is found, a role started
alone brings the embedded one with it, and the roles started after it find that.

Settings come from environment variables (REDIS_URL, API_KEYS, VAR_DIR, LOG_LEVEL, LOG_FORMAT, …);
docs/settings.md has the table. --host and --port win over HOST and PORT. Any host but a loopback
address needs a key: from `keys create`, or in API_KEYS.

The same with Celery's own commands:
  celery -A celery_app worker --loglevel=info
  celery -A celery_app beat --loglevel=info
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status. Bad settings: 2. Something in the way: 1. Data of a newer version: 76."""
    open_closed_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in COMMANDS:
        module, function = COMMANDS[words[0]]
        try:
            import_for_good(module)
            return int(getattr(sys.modules[module], function)(words[1:]))
        except KeyboardInterrupt:
            # An object that was only half made when Ctrl-C came may fail as it goes.
            sys.unraisablehook = lambda _: None
            return 128 + signal.SIGINT
    options = _parser().parse_args(words)
    allow_many()
    try:
        settings = read_settings(host=options.host, port=options.port)
    except SettingsError as error:
        return _fail(str(error), EXIT_BAD_SETTINGS)
    _Voice.log_format = settings.log_format
    try:
        return ROLES[options.role](settings)
    except SettingsError as error:
        return _fail(str(error), EXIT_BAD_SETTINGS)
    except (PortNotFree, RedisServerError) as error:
        return _fail(str(error), EXIT_CANNOT_START)
    except OtherForm as error:
        return _fail(str(error), EXIT_NEWER_DATA)
    except KeyboardInterrupt:  # Ctrl-C before anything was started
        return 128 + signal.SIGINT


def open_closed_streams() -> None:
    """Open what was closed before the start (`start.py <&- >&- 2>&-`) on /dev/null.

    Otherwise the next files to be opened take these places: the lock of VAR_DIR would be written to with each line.
    """
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the kernel gives the lowest number that is free, which is `fd`
            os.set_inheritable(fd, True)  # or the zygotes of the sandbox would be without it again
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115 - open until the end


def _parser() -> argparse.ArgumentParser:
    command = command_line()
    parser = argparse.ArgumentParser(
        prog=command_name(),
        usage=f"{command} [{'|'.join(ROLES)}] [--host HOST] [--port PORT]\n       {command} {'|'.join(COMMANDS)} …",
        description="Celeriac: run this code, or call this URL: now, later or on a cron.",
        epilog=HELP.format(command=command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("role", nargs="?", default="all", choices=list(ROLES), help="what to run")
    parser.add_argument("--host", help="address the API binds to (HOST; default 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port the API binds to (PORT; default 5001)")
    parser.add_argument("--version", action="version", version=f"celeriac {VERSION}")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


# --- what is said ----------------------------------------------------------------------------------


class _Voice:
    """How this process writes its lines: the format that LOG_FORMAT asks for."""

    log_format = "text"


def say(sentence: str, level: int = logging.INFO) -> None:
    """Write a line in the form of the log, at once. In text, further lines of `sentence` follow as they are."""
    first, *others = [sentence] if _Voice.log_format == "json" else sentence.split("\n")
    lines = [logs.line(_Voice.log_format, "celeriac.start", first, level), *others]
    try:
        _write(sys.stdout, "\n".join(lines))
    except OSError:  # nobody reads any more (`start.py | head`), or the disk is full: the service goes on
        sys.stdout = logs.reopened(1)


def warn(sentence: str) -> None:
    """The same, of what should not be."""
    say(sentence, logging.WARNING)


def _fail(sentence: str, status: int) -> int:
    text = f"{command_name()}: {sentence}"
    if _Voice.log_format == "json":
        text = logs.line("json", "celeriac.start", sentence, logging.CRITICAL)
    _write(sys.stderr, text)
    return status


def _write(stream: TextIO, text: str) -> None:
    """Write a line, its end included, in one call: with PYTHONUNBUFFERED, `print` takes two, and the processes that
    write to the same pipe could come between them.
    """
    stream.write(f"{text}\n")
    stream.flush()


# --- all -------------------------------------------------------------------------------------------


def run_all(settings: Settings) -> int:
    """The whole system, until a signal."""
    began = time.monotonic()
    say("Celeriac is starting: Redis, API, workers, beat. Ctrl-C stops it all.")
    stopping = _stop_on_signals()
    check_port(settings)
    with _Redis(settings, stopping, alone=True) as redis:
        _require_known_form(settings, redis.url)
        _require_key(settings, redis.url)
        services = Supervisor(say, warn=warn)
        try:
            *first, calls = _commands(settings, redis.url)
            if fork.is_possible():
                prepare_for_forks(settings.http_ca_bundle or None)
            for command in first:
                _start(services, command)
            _watch(settings, redis, services, calls, stopping, began)
        finally:
            say("stopping")
            services.stop(_stop_seconds(settings))
    say("stopped")
    return 0


def _start(services: Supervisor, command: Command) -> None:
    say(f"started {command.name} (pid {services.start(command)})")


def _commands(settings: Settings, redis_url: str) -> list[Command]:
    """What to run, in this order. The last, which calls URLs, is to wait for the API: tasks may call that, too."""
    env = _supervised_env(settings, redis_url)
    workers = {kind: _celery(f"worker for {kind} tasks", env, "worker", "--kind", kind) for kind in Kind}
    calls = workers.pop(Kind.API)
    return [_role("api", env), *workers.values(), _celery("beat", env, "beat"), calls]


def _role(role: str, env: Mapping[str, str]) -> Command:
    """What runs one role of this command."""
    return Command(role, (sys.executable, str(ROOT / "start.py"), role), env, call=partial(main, [role]))


def _celery(name: str, env: Mapping[str, str], *words: str) -> Command:
    """What runs Celery's worker or beat."""
    return Command(name, module_command(CELERY_ROLES, *words), env, call=partial(run_module, CELERY_ROLES, *words))


def prepare_for_forks(ca_bundle: str | None = None) -> None:
    """Load what the API, workers and beat need, once for all of them and for those that replace them."""
    import_for_good(*preload.MODULES, *NEEDED_BY_API)
    from app.store.scripts import put_together
    from tasks.http.sockets import tls_context

    put_together(PREFIX)
    tls_context(ca_bundle)


def _shutdown_grace(settings: Settings) -> float:
    """Seconds that running attempts have: whoever stops the whole system waits for its end, so few by default."""
    return settings.shutdown_grace if os.environ.get("SHUTDOWN_GRACE", "").strip() else PROMPT_GRACE_SECONDS


def _stop_seconds(settings: Settings) -> float:
    """Seconds that children have to end in order."""
    return max(STOP_GRACE_SECONDS, _shutdown_grace(settings) + WORKER_END_SECONDS)


def _child_env(settings: Settings, redis_url: str) -> dict[str, str]:
    """The environment, with what the command line and the search for a Redis have decided.

    Paths are made absolute: children run in Celeriac's folder.
    """
    decided = {"REDIS_URL": with_absolute_files(redis_url), "HOST": settings.host, "PORT": str(settings.port)}
    return {**os.environ, **absolute_paths(os.environ, settings), **decided}


def _supervised_env(settings: Settings, redis_url: str) -> dict[str, str]:
    """The same for children of this command, whose running attempts have `_shutdown_grace`."""
    return {**_child_env(settings, redis_url), "SHUTDOWN_GRACE": str(_shutdown_grace(settings))}


def _stop_on_signals() -> StopEvent:
    """An event that Ctrl-C, SIGTERM and the terminal's end set; the last not under nohup.

    A shell script starts what it puts into the background with SIGINT ignored; who sends one all the same means it.
    """
    stopping = StopEvent()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
    return stopping


def _watch(
    settings: Settings,
    redis: _Redis,
    services: Supervisor,
    calls: Command,
    stopping: StopEvent,
    began: float,
) -> None:
    """Keep everything running until `stopping`; say once when it is ready, or what is missing.

    calls: started once the API answers. began: when the start began, as time.monotonic() counts.
    """
    watched_since = time.monotonic()
    has_calls = is_announced = is_late = False
    while not stopping.wait(TICK_SECONDS):
        redis.tick()
        services.tick()
        if services.has_newer_data:
            _require_known_form(settings, redis.url)
        if is_announced:
            continue
        if not has_calls and announcement.api_answers(settings):
            has_calls = True
            _start(services, calls)
        now = time.monotonic()
        if announcement.is_ready(settings):
            is_announced = True
            say(f"ready after {now - began:.1f} s\n{announcement.banner(settings, redis.words)}")
        elif now - watched_since > READY_SECONDS and not is_late:
            is_late = True
            missing = announcement.what_is_missing(settings)
            warn(f"not ready after {READY_SECONDS:g} s: {missing}; still trying")


# --- Redis -----------------------------------------------------------------------------------------


class _Redis:
    """The Redis in use: found, or embedded and kept alive until the end of the `with` block.

    alone: this start wants the embedded server's folder for itself, so an embedded server that somebody
    else has started there is in the way (FolderInUse), not found.
    """

    def __init__(self, settings: Settings, stopping: StopEvent, *, alone: bool) -> None:
        self.url = self.why = ""
        self._settings = settings
        self._stopping = stopping
        self._alone = alone
        self._server = EmbeddedServer(settings, say, stopping.is_set)
        self._supervisor = Supervisor(say, warn=warn)

    def __enter__(self) -> _Redis:
        if self._alone and not self._settings.redis_url:
            self._claim_folder()
        found = find_redis_url(self._settings)
        if found is not None:
            self._server.unlock()
            _say_what_is_wrong(found[0])
        self.url, self.why = found or self._embed()
        say(f"Redis: {self.words}")
        return self

    @property
    def words(self) -> str:
        """Which one it is and why, without its password."""
        return f"{shown_url(self.url)} ({self.why})"

    def _claim_folder(self) -> None:
        try:
            self._server.lock()
        except FolderInUse:
            raise
        except RedisServerError as error:  # not needed where localhost:6379 answers
            say(f"no embedded Redis: {error}")

    def _embed(self) -> tuple[str, str]:
        try:
            self._server.start()
        except FolderInUse:
            if self._alone:
                raise
            return self._wait_for_neighbour()
        say(f"started redis (pid {self._server.hand_over(self._supervisor)})")
        why = f"{self._server.words}, started by this command, data in {self._settings.var_dir}"
        return self._server.url, why

    def _wait_for_neighbour(self) -> tuple[str, str]:
        """Another role is bringing the embedded server up at this moment: use that one."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            found = find_redis_url(self._settings)
            if found is not None:
                return found
            if self._stopping.wait(TICK_SECONDS):
                raise StartStopped("stopped before the Redis that another process starts has answered")
        raise RedisServerError(f"another process holds {self._settings.var_dir}, but no Redis answers there")

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop(grace_seconds=STOP_SECONDS)
        self._server.unlock()

    def tick(self) -> None:
        """Start the embedded server again if it has died."""
        self._supervisor.tick()


def _say_what_is_wrong(url: str) -> None:
    """Warn of what may lose tasks. Raises SettingsError for a wrong URL, RedisServerError for too old a server."""
    from app.domain.errors import Unavailable, reason_of
    from app.launch.open_store import open_store  # the store comes with it
    from app.usecases.redis_checks import too_old, warnings

    store = open_store(url)
    try:
        info = store.liveness.info()
    except Unavailable as error:
        warn(f"Redis at {shown_url(url)} can't be asked yet ({reason_of(error)}); starting all the same")
        return
    finally:
        store.close()
    if (old := too_old(info)) is not None:
        raise RedisServerError(f"{shown_url(url)} can't be used: {old}")
    for sentence in warnings(info):
        warn(f"check Redis at {shown_url(url)}: {sentence}")


def _require_known_form(settings: Settings, redis_url: str) -> None:
    """Raise OtherForm if a newer version wrote the data. The embedded server is asked without the store's packages."""
    if redis_url == socket_url(settings) and value_at(str(socket_path(settings)), FORM_KEY) in ("", str(FORM)):
        return
    from app.launch.form_check import require_known_form_at  # the store comes with it

    require_known_form_at(redis_url)


def _require_key(settings: Settings, redis_url: str) -> None:
    if not (settings.loopback_only or settings.api_keys):
        from app.launch.key_rule import require_key  # the store comes with it

        require_key(settings, redis_url)


# --- one role alone --------------------------------------------------------------------------------


def run_api(settings: Settings) -> int:
    """The HTTP server in this process, or beside an embedded Redis."""
    check_port(settings)
    return _run_role("api", settings)


def run_worker(settings: Settings) -> int:
    """One worker for both queues, in this process, or beside an embedded Redis."""
    return _run_role("worker", settings)


def run_beat(settings: Settings) -> int:
    """The scheduler, in this process, or beside an embedded Redis."""
    return _run_role("beat", settings)


def _run_role(role: str, settings: Settings) -> int:
    found = find_redis_url(settings)
    if found is None:
        return _run_beside_embedded(role, settings)
    url, why = found
    _require_known_form(settings, url)
    if PARENT_PID not in os.environ:  # by hand; else start.py has said so
        say(f"Celeriac {role}. Redis: {shown_url(url)} ({why})")
        if role == "api":
            _require_key(settings, url)
    os.environ.update(_child_env(settings, url))
    os.chdir(ROOT)
    _import_for(role)  # once, for all processes that will serve
    if role != "api":
        return run_module(CELERY_ROLES, role)
    serve(settings)
    return 0


def _import_for(role: str) -> None:
    import_for_good(*(NEEDED_BY_API if role == "api" else preload.MODULES))


def _run_beside_embedded(role: str, settings: Settings) -> int:
    """Start the embedded server, and the role as a child beside it."""
    stopping = _stop_on_signals()
    say(f"Celeriac {role}: no Redis found, so the embedded one is started with it. Ctrl-C stops both.")
    with _Redis(settings, stopping, alone=False) as redis:
        _require_known_form(settings, redis.url)
        if role == "api":
            _require_key(settings, redis.url)
        services = Supervisor(say, warn=warn)
        try:
            env = _supervised_env(settings, redis.url)
            if fork.is_possible():
                _import_for(role)
            services.start(_role(role, env))
            while not stopping.wait(TICK_SECONDS):
                redis.tick()
                services.tick()
                if services.has_newer_data:
                    _require_known_form(settings, redis.url)
        finally:
            services.stop(_stop_seconds(settings))
    return 0


ROLES = {"all": run_all, "api": run_api, "worker": run_worker, "beat": run_beat}

if __name__ == "__main__":
    sys.exit(main())
