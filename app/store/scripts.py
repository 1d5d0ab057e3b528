"""Runs Lua scripts by name: `scripts("claim", task_id=…)` runs `lua/claim.lua` after `lua/_lib.lua`.

Python and Lua use the same argument names. The header of a script lists its arguments,

    -- ARGV: task_id, now_ms, tasks…

and each becomes a local variable of that name. If the last name ends in `…`, its variable is the position in ARGV at
which its values begin. `TASK` in `_lib.lua` lists the values of one task in the same way. The table `F` holds the short
names of record fields (columns.py); `F.status` is replaced by its value when the script is loaded.

Redis executes a script from its first line at each call, so each script gets only the library statements that it needs.
The whole library takes 5 µs, a third of the time that `renew` takes for one attempt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from app.domain.deliveries import TRIES_KEPT
from app.domain.form import FORM
from app.domain.status import Kind, TaskType
from app.store.arguments import packed
from app.store.client import Client
from app.store.columns import SHORT_NAMES, SPEC
from app.store.keys import PRIORITIES, PRIORITY_SEPARATOR
from app.store.messages import DELIVERY_TAG, EXECUTE, TASK_ID
from app.store.record import ATTEMPTS_KEPT, HISTORY_LENGTH, SEQ_PER_MS

#: Scripts that run, end, stop or keep alive accepted tasks, tell of them, show them live, or make room. They may write
#: even if the memory is full.
DESPITE_FULL = frozenset(
    {
        "alive",
        "batch_apply",
        "claim",
        "complete",
        "expire",
        "hand_back",
        "take_back",
        "overdue",
        "renew",
        "send",
        "stop",
    }
    | {"delete", "schedule_delete", "schedule_retime", "trim", "trim_oldest"}
    | {"events_open", "output"}
    | {"bulk_abort", "bulk_schedules", "bulk_tasks", "fold", "totals_tags", "add_requests"}
    | {"delivery_claim", "delivery_report", "delivery_take_back", "delivery_trim"}
    | {"alert_commit", "alert_default", "channel_turn", "channel_shut"}
)
#: The names of scripts for data of any form start so. Each other script first checks that the data has ours, in the
#: same atomic call: a process of another version can neither read it wrongly nor write to it, whatever it did before.
FOR_ANY_FORM = "form_"
_FORM_CHECK = (
    "do local form = redis.call('GET', P .. 'form') "
    f"if form and form ~= '{FORM}' then return redis.error_reply('FORM ' .. form) end end"
)
#: Redis does not abort a script for lack of memory once the script has written something.
_FIRST_WRITE = "redis.call('DEL', P .. 'nothing')"

_FOLDER = Path(__file__).parent / "lua"
_REST = "…"
_ARGV = re.compile(r"^-- ARGV: (.*(?:\n--       .*)*)", re.MULTILINE)
_TASK = re.compile(r"^-- TASK: (.*(?:\n--       .*)*)", re.MULTILINE)


def names_in(header: re.Pattern[str], source: str) -> tuple[str, ...]:
    """The names that a header lists, in order; empty if there is no such header."""
    found = header.search(source)
    return tuple(re.findall(rf"\w+{_REST}?", found[1])) if found else ()


#: Names of the values of one new task, in the order that `create` expects.
TASK_VALUES = names_in(_TASK, (_FOLDER / "_lib.lua").read_text("utf-8"))


def _library(prefix: str) -> list[_Statement]:
    """The statements of `_lib.lua`, after what it depends on."""
    given = "".join(f"local {name} = {value}\n" for name, value in _given().items())
    text = (_FOLDER / "_lib.lua").read_text("utf-8").replace("$PREFIX", prefix)
    return [
        _Statement.of(part) for part in re.split(r"^(?=local )", given + _with_short_names(text), flags=re.MULTILINE)
    ]


def _given() -> dict[str, str]:
    """What scripts need to know of Python's side, by name, as Lua."""
    derived = (SHORT_NAMES[name] for name in ("folded_name", "body", "program", "program_hash"))
    separator = "".join(f"\\{ord(character)}" for character in PRIORITY_SEPARATOR)
    return {
        "F": "{" + ", ".join(f"{name} = '{short}'" for name, short in SHORT_NAMES.items()) + "}",
        "SPEC_FIELDS": _list(*(column.short for column in SPEC.values()), *derived),
        "TASK_VALUES": _list(*TASK_VALUES),
        "KINDS": _list(*Kind),
        "TASK_TYPES": _list(*TaskType),
        "DEFAULT_PRIORITY": f"'{SPEC['priority'].default}'",
        "FORM": f"'{FORM}'",
        "PRIORITIES": str(PRIORITIES),
        "PRIORITY_SEPARATOR": f"'{separator}'",
        "SEQ_PER_MS": str(SEQ_PER_MS),
        "HISTORY_LENGTH": str(HISTORY_LENGTH),
        "ATTEMPTS_KEPT": str(ATTEMPTS_KEPT),
        "TRIES_KEPT": str(TRIES_KEPT),
        "TASK_ID": f"'{TASK_ID}'",
        "DELIVERY_TAG": f"'{DELIVERY_TAG}'",
        "EXECUTE": f"'{EXECUTE}'",
    }


def _list(*words: str) -> str:
    return "{" + ", ".join(f"'{word}'" for word in words) + "}"


def _with_short_names(source: str) -> str:
    """Replace each `F.name` by its value. Raises KeyError for an unknown name."""
    return re.sub(r"\bF\.(\w+)", lambda found: f"'{SHORT_NAMES[found[1]]}'", source)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A `local` statement of the library: its text, the names that it defines, and the words that it contains."""

    text: str
    names: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Statement:
        code = re.sub(r"--.*", "", text)
        defined = re.match(r"local (?:function )?([\w, ]+)", code)
        names = frozenset(re.findall(r"\w+", defined[1])) if defined else frozenset()
        return cls(code, names, frozenset(re.findall(r"\w+", code)))


def _needed_by(source: str, library: Sequence[_Statement]) -> str:
    """The statements that a script needs, directly or indirectly, in their order."""
    words = set(re.findall(r"\w+", re.sub(r"--.*", "", source)))  # not those of comments
    kept = []
    for statement in reversed(library):  # statements use only earlier statements
        if statement.names & words:
            words |= statement.words
            kept.append(statement.text)
    return "".join(reversed(kept))


def _arguments(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    places = [str(place) if name.endswith(_REST) else f"ARGV[{place}]" for place, name in enumerate(names, 1)]
    return f"local {', '.join(name.removesuffix(_REST) for name in names)} = {', '.join(places)}"


class _Script:
    """A script: the text that Redis gets, its hash, and the names of its arguments, in order."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._rest = names[-1].removesuffix(_REST) if names and names[-1].endswith(_REST) else None
        self._names = names[:-1] if self._rest else names
        self._head = packed("EVALSHA", self.sha, 0)

    @classmethod
    def of(cls, path: Path, library: Sequence[_Statement]) -> _Script:
        source = path.read_text("utf-8")
        names = names_in(_ARGV, source)
        first_write = _FIRST_WRITE if path.stem in DESPITE_FULL else ""
        form_check = "" if path.stem.startswith(FOR_ANY_FORM) else _FORM_CHECK
        own = "\n".join((form_check, first_write, _arguments(names), _with_short_names(source)))
        return cls(_needed_by(own, library) + own, names)

    def args(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the names. Raises KeyError if one is missing."""
        args = [values[name] for name in self._names]
        if self._rest:
            args += values[self._rest]
        assert len(values) == len(self._names) + bool(self._rest), sorted(values)
        return args

    def command(self, values: Mapping[str, Any]) -> bytes:
        """The command that runs the script, as it is sent."""
        args = self.args(values)
        return b"*%d\r\n%b%b" % (len(args) + 3, self._head, packed(*args))


@cache
def _scripts(folder: Path, prefix: str) -> Mapping[str, _Script]:
    """The scripts in a folder by their names; each is put together once in a process."""
    library = _library(prefix)
    return {path.stem: _Script.of(path, library) for path in folder.glob("*.lua") if path.stem != "_lib"}


def put_together(prefix: str) -> None:
    """Put the scripts together now, for this process and those that will be forked from it."""
    _scripts(_FOLDER, prefix)


class Scripts:
    """The scripts, loaded once, for keys under one prefix."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._scripts = _scripts(_FOLDER, prefix)

    def __call__(self, script: str, /, **values: Any) -> Any:
        """Run a script. Its header documents its arguments and return value."""
        found = self._scripts[script]
        command = found.command(values)
        try:
            return self._client.execute_packed(command)
        except NoScriptError:
            self._client.script_load(found.text)
            return self._client.execute_packed(command)

    def each(self, name: str, arguments: Iterable[Any]) -> Iterator[Any]:
        """Run the one-argument script `name` for each of `arguments`, one after the other.

        The next argument is computed while Redis executes the current call, so computing it adds no time.
        """
        waiting = iter(arguments)
        argument = next(waiting, None)
        while argument is not None:
            following = cache(lambda: next(waiting, None))  # cached: a command that is sent again calls it again
            yield self._run_meanwhile(self._scripts[name], argument, following)
            argument = following()

    def _run_meanwhile(self, script: _Script, argument: Any, meanwhile: Callable[[], object]) -> Any:
        command = ("EVALSHA", script.sha, 0, argument)
        try:
            return self._client.execute_command(*command, meanwhile=meanwhile)
        except NoScriptError:
            self._client.script_load(script.text)
            return self._client.execute_command(*command)
