"""`celeriac keys …`, `python start.py keys …`: create, list, rotate and revoke the API keys that are kept in Redis.

A new key is the only line on stdout, so that a script can take it; everything else goes to stderr.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from app.clock import Clock, system_clock
from app.domain import short_names
from app.domain.durations import parse_duration
from app.domain.errors import Full, KeyRefused, OtherForm, Unavailable, reason_of
from app.domain.times import to_rfc3339
from app.launch.command_name import command_name
from app.launch.command_output import fail, print_result, say
from app.launch.command_redis import redis_for_command
from app.launch.embedded_redis import RedisServerError
from app.launch.form_check import require_known_form
from app.launch.open_store import open_store
from app.launch.processes import EXIT_NEWER_DATA
from app.settings import SCOPES, Settings, SettingsError, read_settings
from app.store.store import Store
from app.usecases.api_keys import ApiKeyService, ListedKey, NewKey

EXIT_REFUSED = 1
EXIT_BAD_USE = 2

HELP = """\
A key is shown once, when it is created; Celeriac keeps only its hash. Every running API knows a
new key within a second, and refuses a revoked one at once. Durations: 90d, 24h, 30m, 45s, 2w.

As soon as there is a key, calls without one get 401. Scopes: read may GET, write may change tasks
and schedules, admin may do everything.
"""


class _UsageError(Exception):
    """The command line is wrong; the message says how."""


class _Unseen(Exception):
    """A new key exists, and could not be printed; the message says what to do."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises a _UsageError instead of printing the usage and ending the process."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


def main(words: Sequence[str], clock: Clock = system_clock) -> int:
    """Run `keys WORDS`; the exit status: 0, 1 if it can't be done, 2 if the command or a setting is wrong."""
    try:
        options = _parser().parse_args(words)
        settings = read_settings()
        run: Callable[[ApiKeyService, argparse.Namespace, int], None] = options.run
        with _store(settings) as store:
            run(ApiKeyService(store.api_keys, store.audit, settings.api_keys, clock), options, clock())
    except (_UsageError, SettingsError) as error:
        return fail(str(error), EXIT_BAD_USE)
    except (KeyRefused, RedisServerError, Full, _Unseen) as error:
        return fail(str(error), EXIT_REFUSED)
    except OSError as error:
        return fail(f"{error.filename or 'the output'}: {error.strerror or error}", EXIT_REFUSED)
    except OtherForm as error:
        return fail(str(error), EXIT_NEWER_DATA)
    except Unavailable as error:
        what_now = "" if options.run is _list else ": `keys list` tells whether anything was changed"
        return fail(f"Redis can't be reached ({reason_of(error)}){what_now}", EXIT_REFUSED)
    return 0


def _parser() -> _Parser:
    parser = _Parser(
        prog=f"{command_name()} keys",
        description="Manage the API keys that are kept in Redis.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="create|list|rotate|revoke")
    create = commands.add_parser("create", help="create a key and print it")
    create.add_argument("name", help=short_names.RULE)
    create.add_argument("--scope", required=True, choices=SCOPES, help="what it may do")
    create.add_argument("--expires", type=_lifetime, help="how long it is valid (default: for ever)")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="list all keys, with when each was last used")
    listing.set_defaults(run=_list)
    rotate = commands.add_parser("rotate", help="replace a key and print the new one")
    rotate.add_argument("name")
    rotate.add_argument("--overlap", type=_duration, default="24h", help="how long the old one stays valid (24h)")
    rotate.add_argument("--expires", type=_lifetime, help="how long the new one is valid (default: as the old one)")
    rotate.set_defaults(run=_rotate)
    revoke = commands.add_parser("revoke", help="make a key invalid, at once")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke)
    return parser


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:50]!r} {error}") from None


def _lifetime(text: str) -> int:
    """Not 0: a key that is born expired lets nobody in, yet it ends calls without a key."""
    seconds = _duration(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError(f"{text[:50]!r} must be at least 1s")
    return seconds


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    with redis_for_command(settings) as url:
        store = open_store(url)
        try:
            require_known_form(store)
            yield store
        finally:
            store.close()


def _create(service: ApiKeyService, options: argparse.Namespace, now_ms: int) -> None:
    key = service.create(options.name, options.scope, options.expires)
    say(f"created the key {_words(key)}; it is shown only now:")
    _show(key)


def _rotate(service: ApiKeyService, options: argparse.Namespace, now_ms: int) -> None:
    key = service.rotate(options.name, options.overlap, options.expires)
    ends = key.old_end_ms
    old = "is no longer valid" if ends is None or ends <= now_ms else f"is valid until {_time(ends, '')}"
    say(f"the new key {_words(key)}; it is shown only now, and the old one {old}:")
    _show(key)


def _show(key: NewKey) -> None:
    try:
        print_result(key.secret)
    except OSError as error:
        raise _Unseen(
            f"the output: {error.strerror}: the key {key.name} exists, and nobody has seen it: rotate it"
        ) from None


def _revoke(service: ApiKeyService, options: argparse.Namespace, now_ms: int) -> None:
    is_any_left = service.revoke(options.name)
    say(f"revoked the key {options.name}")
    if service.is_known(options.name):
        say(f"the key {options.name} of API_KEYS stays valid: change it there")
    if not is_any_left:
        say("no key is left in Redis: unless API_KEYS has one, an API on a loopback address needs none any more")


def _list(service: ApiKeyService, options: argparse.Namespace, now_ms: int) -> None:
    keys = service.all()
    if not keys:
        say("there are no keys")
        return
    rows = [("NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED", "STATE"), *(_row(key, now_ms) for key in keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print_result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(key: ListedKey, now_ms: int) -> tuple[str, ...]:
    times = (_time(ms, missing) for ms, missing in ((key.created_ms, "-"), (key.expires_ms, "never")))
    return (key.name, key.scope, *times, _time(key.used_ms, "never"), _state(key, now_ms))


def _state(key: ListedKey, now_ms: int) -> str:
    if not key.is_stored:
        return "API_KEYS"
    if key.expires_ms is not None and key.expires_ms <= now_ms:
        return "expired"
    return "valid" if key.replaced_ms is None else "replaced"


def _words(key: NewKey) -> str:
    return f"{key.name} ({key.scope}, expires {_time(key.expires_ms, 'never')})"


def _time(ms: int | None, missing: str) -> str:
    return missing if ms is None else to_rfc3339(ms)[:19] + "Z"
