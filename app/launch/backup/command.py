"""`celeriac backup FILE` and `celeriac restore FILE`.

What is done goes to stderr; the result, one line, to stdout.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from app.clock import system_clock
from app.domain.errors import Full, Unavailable, reason_of
from app.domain.form import RESTORING, Form
from app.domain.times import to_rfc3339
from app.launch.backup import file as backup_file
from app.launch.backup.file import BackupFile, BadBackup, Head
from app.launch.backup.quiet import ServiceRuns, require_quiet
from app.launch.backup.source import CannotCopy, standing_still
from app.launch.command_name import command_name
from app.launch.command_output import fail, print_result, say
from app.launch.command_redis import connect_to, redis_for_command
from app.launch.embedded_redis import RedisServerError
from app.settings import Settings, SettingsError, read_settings
from app.store.client import Client, RefusedByRedis
from app.store.keys import Keys
from app.store.snapshot.reading import read_all
from app.store.snapshot.writing import ForeignCommand, Target
from app.version import VERSION

EXIT_FAILED = 1
EXIT_BAD_USE = 2

BACKUP_HELP = """\
The service may run meanwhile: the file has the data of one moment. It contains everything, also
the headers of API tasks and the secrets of channels: keep it where nobody else can read it.
"""
RESTORE_HELP = """\
The service must be stopped, and the Redis must have no data of Celeriac's. The file is checked
before anything is changed. A restore that is interrupted can be repeated; until one is complete,
no process works on the data.
"""


def backup(words: Sequence[str]) -> int:
    """Run `backup WORDS`; the exit status: 0, 1 if it can't be done, 2 if the command or a setting is wrong."""
    parser = _parser("backup", "Write all data of the service to a file.", BACKUP_HELP)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write, or to check")
    parser.add_argument(
        "--check", action="store_true", help="check instead that FILE is whole, and say what it contains"
    )
    parser.add_argument(
        "--stopped", action="store_true", help="the service is stopped: read the Redis itself, without a copy of it"
    )
    options = parser.parse_args(words)
    return _run(lambda settings: (_check if options.check else _backup)(settings, options))


def restore(words: Sequence[str]) -> int:
    """Run `restore WORDS`; the exit status is that of `backup`."""
    parser = _parser("restore", "Write the data of a backup into an empty Redis.", RESTORE_HELP)
    parser.add_argument("file", type=Path, metavar="FILE", help="the backup")
    parser.add_argument("--replace", action="store_true", help="delete what the Redis has of Celeriac's first")
    options = parser.parse_args(words)
    return _run(lambda settings: _restore(settings, options))


def _parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"{command_name()} {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _run(act: Callable[[Settings], None]) -> int:
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, _end) for number in numbers}
    try:
        return _status_of(act)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _status_of(act: Callable[[Settings], None]) -> int:
    try:
        act(read_settings())
    except SettingsError as error:
        return fail(str(error), EXIT_BAD_USE)
    except (BadBackup, CannotCopy, ServiceRuns, RedisServerError, ForeignCommand, _Refused) as error:
        return fail(str(error), EXIT_FAILED)
    except OSError as error:
        return fail(f"{error.filename or 'the file'}: {error.strerror or error}", EXIT_FAILED)
    except Full as error:
        return fail(str(error), EXIT_FAILED)
    except Unavailable as error:
        return fail(f"Redis can't be reached ({reason_of(error)})", EXIT_FAILED)
    except RefusedByRedis as error:
        return fail(f"Redis refuses: {error}", EXIT_FAILED)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End in order, so that no copy of the data is left behind."""
    raise SystemExit(128 + number)


class _Refused(Exception):
    """The command must not be carried out; the message says why."""


# --- backup ------------------------------------------------------------------------------------------


def _backup(settings: Settings, options: argparse.Namespace) -> None:
    target = _target_file(options.file.expanduser())
    began = time.monotonic()
    with _new_file(target) as file, standing_still(settings, target.parent, say, is_stopped=options.stopped) as client:
        commands = chain.from_iterable(commands for _, commands in read_all(client))
        counts = backup_file.write_backup(file, _head(client), commands)
        if not counts.keys:
            raise _Refused("this Redis has no data of Celeriac's: are REDIS_URL and VAR_DIR those of the service?")
        size = file.tell()
    seconds = time.monotonic() - began
    print_result(f"wrote {target}: {counts.words}; {size / 1e6:,.1f} MB in {seconds:.1f} s")


def _require_file(path: Path, advice: str) -> None:
    """Raise _Refused for anything but a file, OSError if there is nothing."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise _Refused(f"{path} is a folder, a pipe or a device: {advice}")


def _target_file(path: Path) -> Path:
    """The file at `path`, behind all links. Raises _Refused for anything that a file must not replace."""
    try:
        _require_file(path, "name a file, whose place the backup takes")
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise _Refused(f"{path} can't be made: there is no folder {path.parent}") from None
    return path.resolve()


def _head(client: Client) -> Head:
    """The head of a backup of what `client` reads. Raises _Refused for data that an unfinished restore has left."""
    form: Any = client.execute_command("GET", Keys().form)
    if form == RESTORING.encode():
        raise _Refused("a backup is being restored into this Redis: wait until it is complete, or repeat the restore")
    info: Any = client.execute_command("INFO", "server")
    facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    server = f"valkey {facts['valkey_version']}" if "valkey_version" in facts else f"redis {facts['redis_version']}"
    now = to_rfc3339(system_clock())
    return Head(created_at=now, version=VERSION, server=server, form=None if form is None else form.decode())


@contextmanager
def _new_file(target: Path) -> Iterator[Any]:
    """A file that only its owner may read; it takes the place of `target` once it is complete and on the disk."""
    # mkstemp would tell the name only once the file is there, and SIGTERM may come in between.
    path = target.with_name(f".{target.name}-{secrets.token_hex(8)}")
    try:
        with open(path, "xb", opener=_for_its_owner) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.replace(target)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # of a write: to this file, or to the copy beside it
            error.filename = str(target.parent)
        raise


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _check(settings: Settings, options: argparse.Namespace) -> None:
    head, counts = backup_file.check(options.file)
    origin = f"of {head.created_at}, by Celeriac {head.version} on {head.server}"
    print_result(f"{options.file} is whole: {counts.words}, {origin}")


# --- restore -----------------------------------------------------------------------------------------


def _restore(settings: Settings, options: argparse.Namespace) -> None:
    began = time.monotonic()
    _require_file(options.file, "restore reads a file, and checks it first")  # so it is read twice
    head, counts = backup_file.check(options.file)
    say(f"{options.file} is whole: {counts.words}, of {head.created_at}")
    if head.form is not None and Form.parse(head.form).is_newer:
        raise _Refused(f"Celeriac {head.version} made this backup, and this version ({VERSION}) can't use its data")
    with _target(settings) as target:
        if not (options.replace or target.is_restoring() or target.is_empty()):
            raise _Refused("this Redis has data of Celeriac's: use --replace to delete that, or another Redis")
        with BackupFile(options.file) as backup:
            target.begin()
            target.write(backup.commands())
    print_result(f"restored {counts.words} of {head.created_at} in {time.monotonic() - began:.1f} s")


@contextmanager
def _target(settings: Settings) -> Iterator[Target]:
    """The data of a Redis that nobody uses."""
    with redis_for_command(settings) as url:
        require_quiet(url)
        client = connect_to(url)
        try:
            yield Target(client, Keys())
        finally:
            client.close()
