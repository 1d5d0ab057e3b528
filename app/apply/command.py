"""`celeriac export`, `celeriac import` and `celeriac apply`.

They call the service at `--url` (CELERIAC_URL) with the key in CELERIAC_API_KEY, which never is an argument: other
users of a machine can read those. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from app.apply.client import ServiceClient, ServiceError
from app.apply.documents import Declared, Invalid, read_files
from app.apply.plan import Act, Step, lines_of, make_plan, shown, spec_of
from app.apply.reading import write_yaml
from app.clock import system_clock
from app.domain.errors import InvalidSpec
from app.domain.fields import HIDDEN
from app.launch.command_name import command_name
from app.launch.command_output import fail, print_result, say, write_result
from app.settings import is_loopback

EXIT_FAILED = 1
EXIT_CHANGES = 2
DEFAULT_URL = "http://127.0.0.1:5001"

EXIT_HELP = """\
Exit status: 0 if all went well, 1 for any error (also of the command line), 2 with --exit-code if
there are changes. The key for the API is in the variable CELERIAC_API_KEY.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors end with status 1: 2 means changes."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_FAILED, f"{self.prog}: {message}\n")


class _Refused(Exception):
    """The command must not be carried out; the message says why."""


def export(words: Sequence[str]) -> int:
    """Run `export WORDS`; the exit status."""
    parser = _parser("export", "Write all scheduled tasks with a key as a file that `import` and `apply` read.")
    parser.add_argument("--format", choices=("yaml", "json"), default="yaml", help="yaml (the default) or json")
    parser.add_argument("--prefix", default="", help="only those whose key begins with it")
    options = parser.parse_args(words)
    return _run(lambda: _export(_client(options), options))


def import_(words: Sequence[str]) -> int:
    """Run `import WORDS`; the exit status."""
    parser = _parser("import", "Create or change the scheduled tasks that files declare.")
    _add_paths(parser)
    options = parser.parse_args(words)
    options.diff = options.exit_code = options.prune = False
    options.prefix = None
    return _run(lambda: _apply(_client(options), options))


def apply(words: Sequence[str]) -> int:
    """Run `apply WORDS`; the exit status."""
    parser = _parser("apply", "Make the scheduled tasks of the service what files declare.")
    _add_paths(parser)
    parser.add_argument("--diff", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--exit-code", action="store_true", help="end with status 2 if there are changes")
    parser.add_argument("--prefix", help="the files own the keys that begin with it: other keys are refused")
    parser.add_argument("--prune", action="store_true", help="delete those with --prefix that no file declares")
    options = parser.parse_args(words)
    return _run(lambda: _apply(_client(options), options))


def _parser(name: str, description: str) -> _Parser:
    parser = _Parser(
        prog=f"{command_name()} {name}",
        description=description,
        epilog=EXIT_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    url = os.environ.get("CELERIAC_URL", "").strip() or DEFAULT_URL
    parser.add_argument("--url", default=url, help=f"the service (CELERIAC_URL; default {DEFAULT_URL})")
    return parser


def _add_paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder of .yaml and .json files"
    )


def _client(options: argparse.Namespace) -> ServiceClient:
    key = os.environ.get("CELERIAC_API_KEY", "").strip()  # secrets of CI systems often end with a line end
    parts = urlsplit(options.url)
    if key and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        say("careful: the key is sent unencrypted; use https")
    return ServiceClient(options.url, key)


def _run(act: Callable[[], int]) -> int:
    try:
        return act()
    except Invalid as error:
        for problem in error.problems:
            say(f"{command_name()}: {problem}")
    except InvalidSpec as error:
        return fail(f"the service is of another version; it has what this one does not know: {error}", EXIT_FAILED)
    except (ServiceError, _Refused) as error:
        return fail(str(error), EXIT_FAILED)
    except OSError as error:
        return fail(f"{error.filename or 'the output'}: {error.strerror}", EXIT_FAILED)
    return EXIT_FAILED


# --- export ------------------------------------------------------------------------------------------


def _export(client: ServiceClient, options: argparse.Namespace) -> int:
    listed = list(client.schedules())
    chosen = sorted(_by_key(listed, options.prefix).items())
    documents = [_document(client.schedule(found["id"])) for _, found in chosen]
    text = json.dumps(documents, indent=2, ensure_ascii=False) + "\n" if options.format == "json" else ""
    write_result(text or write_yaml(documents))
    without = sum(found["key"] is None for found in listed)
    if without:
        say(f"{without} scheduled tasks have no key and are left out")
    hidden = sum(HIDDEN in document.get("headers", {}).values() for document in documents)
    if hidden:
        say(f"{hidden} scheduled tasks have headers, whose values the service does not tell: write them yourself")
    return 0


def _document(existing: Mapping[str, Any]) -> dict[str, Any]:
    paused = {"paused": True} if existing["status"] == "paused" else {}
    return {"key": existing["key"], **shown(spec_of(existing)), **paused}


def _by_key(listed: Iterable[Mapping[str, Any]], prefix: str) -> dict[str, Mapping[str, Any]]:
    return {found["key"]: found for found in listed if found["key"] is not None and found["key"].startswith(prefix)}


# --- apply -------------------------------------------------------------------------------------------


def _apply(client: ServiceClient, options: argparse.Namespace) -> int:
    now_ms = system_clock()
    declared = read_files(options.paths, os.environ, now_ms)
    _check_ownership(declared, options)
    listed = _by_key(client.schedules(), "")
    prune = [key for key in listed if key.startswith(options.prefix)] if options.prune else []
    keys = {one.key for one in declared} | set(prune)
    existing = {key: client.schedule(found["id"]) for key, found in listed.items() if key in keys}
    steps = make_plan(declared, existing, prune, now_ms)
    acts: list[Act | None] = [_shown(step) if options.diff else _done(client, step) for step in steps]
    print_result(_summary(acts, is_done=not options.diff))
    hidden = sum(step.act is Act.KEEP and step.has_secrets for step in steps)
    if options.diff and hidden:
        say(f"{hidden} unchanged ones have headers, whose values can't be compared; without --diff, they are sent")
    if None in acts:
        return EXIT_FAILED
    return EXIT_CHANGES if options.exit_code and set(acts) != {Act.KEEP} and acts else 0


def _check_ownership(declared: Sequence[Declared], options: argparse.Namespace) -> None:
    if options.prune and options.prefix is None:
        raise _Refused("--prune needs --prefix: it deletes what has a key with that prefix and stands in no file")
    if options.prune and not declared:
        raise _Refused("the files declare nothing, so --prune would delete everything: is this the right folder?")
    foreign = [one.key for one in declared if options.prefix and not one.key.startswith(options.prefix)]
    if foreign:
        raise _Refused(f"the key {foreign[0]} does not begin with {options.prefix}")


def _shown(step: Step) -> Act:
    if step.act is not Act.KEEP:
        print_result("\n".join(lines_of(step)))
    return step.act


def _done(client: ServiceClient, step: Step) -> Act | None:
    """Carry out a step and say so; what was done. None, and a sentence, if that fails: the others go on."""
    try:
        return _carried_out(client, step)
    except ServiceError as error:
        say(f"{command_name()}: {step.key}: {error}")
        return None


def _carried_out(client: ServiceClient, step: Step) -> Act:
    schedule_id, is_updated, is_new = step.existing_id or "", False, False
    if step.declared is None:
        client.delete(schedule_id)
    elif step.fields or step.has_secrets:  # what is hidden may have changed; the service compares it
        put, is_new = client.put(step.key, step.declared.body)
        schedule_id, is_updated = put["id"], put["updated_at"] != step.updated_at
        if put["status"] == "ended":  # it fires no more, and can't be paused
            step = replace(step, pause=None)
    if step.pause:
        _pause(client, schedule_id, is_new=is_new)
    elif step.pause is not None:
        client.act(schedule_id, "resume")
    if step.act is Act.KEEP and is_updated:
        print_result(f"{Act.CHANGE} {step.key}\n    headers: changed")
        return Act.CHANGE
    return _shown(step)


def _pause(client: ServiceClient, schedule_id: str, *, is_new: bool) -> None:
    """Pause a scheduled task. One that was just created is deleted if that fails: it would fire."""
    try:
        client.act(schedule_id, "pause")
    except ServiceError as error:
        words = "could not be paused and is active"
        if is_new:
            words = "was created, could not be paused and was deleted again"
            try:
                client.delete(schedule_id)
            except ServiceError as second:
                words = f"was created and is active, since it could be neither paused nor deleted ({second})"
        raise ServiceError(f"{error}; it {words}") from error


def _summary(acts: Iterable[Act | None], *, is_done: bool) -> str:
    counts = Counter(acts)
    names = {Act.CREATE: "new", Act.CHANGE: "changed", Act.DELETE: "deleted", Act.KEEP: "unchanged"}
    return ("" if is_done else "would be: ") + ", ".join(f"{counts[act]} {name}" for act, name in names.items())
