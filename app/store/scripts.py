"""Lua scripts by name: `scripts("claim", task_id=…)` runs `lua/claim.lua` behind `lua/_lib.lua`.

Both sides read the same names. The header of a script lists its arguments,

    -- ARGV: task_id, now_ms, tasks…

and each is there as a local variable of that name; of the last one, where it ends in `…`, the variable is the place in
ARGV at which its values begin. `TASK` in `_lib.lua` lists the values of one task in the same way. The short names of a
record's fields (columns.py) are in the table `F`; `F.status` is replaced by its value when the script is loaded.

Redis runs a script from its first line at each call, so of the library each gets only the statements that it needs:
all of them take 5 µs, a third of what `renew` takes for one attempt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from redis.commands.core import Script
from redis.exceptions import NoScriptError

from app.store.client import Client
from app.store.columns import SHORT_NAMES, SPEC

#: These run, end, stop or keep alive what was accepted: they write even where the memory is full.
DESPITE_FULL = frozenset({"alive", "claim", "complete", "hand_back", "take_back", "overdue", "renew", "send", "stop"})
#: Redis refuses a script for want of memory only until it has written something: it must not be stopped half-way.
_FIRST_WRITE = "redis.call('DEL', P .. 'nothing')"

_FOLDER = Path(__file__).parent / "lua"
_REST = "…"
_ARGV = re.compile(r"^-- ARGV: (.*(?:\n--       .*)*)", re.MULTILINE)
_TASK = re.compile(r"^-- TASK: (.*(?:\n--       .*)*)", re.MULTILINE)


def names_in(header: re.Pattern[str], source: str) -> tuple[str, ...]:
    """The names that a header lists, in order; none where there is no such header."""
    found = header.search(source)
    return tuple(re.findall(rf"\w+{_REST}?", found[1])) if found else ()


#: The values of one new task, as `create` takes them.
TASK_VALUES = names_in(_TASK, (_FOLDER / "_lib.lua").read_text())


def _library(prefix: str) -> list[_Statement]:
    """The statements of `_lib.lua`, behind the tables that it stands on."""
    fields = ", ".join(f"{name} = '{short}'" for name, short in SHORT_NAMES.items())
    spec = ", ".join(f"'{column.short}'" for column in SPEC.values())
    task = ", ".join(f"'{name}'" for name in TASK_VALUES)
    tables = f"local F = {{{fields}}}\nlocal SPEC_FIELDS = {{{spec}}}\nlocal TASK_VALUES = {{{task}}}\n"
    text = (_FOLDER / "_lib.lua").read_text().replace("$PREFIX", prefix)
    return [
        _Statement.of(part) for part in re.split(r"^(?=local )", tables + _with_short_names(text), flags=re.MULTILINE)
    ]


def _with_short_names(source: str) -> str:
    """`F.status` as its value. Raises KeyError for a name that no record has."""
    return re.sub(r"\bF\.(\w+)", lambda found: f"'{SHORT_NAMES[found[1]]}'", source)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A `local` statement of the library with the comments behind it: what it defines, and the words in it."""

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
    """The statements that a script needs, and those that they need, in their order."""
    words = set(re.findall(r"\w+", source))
    kept = []
    for statement in reversed(library):  # a statement uses only those before it
        if statement.names & words:
            words |= statement.words
            kept.append(statement.text)
    return "".join(reversed(kept))


def _arguments(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    places = [str(place) if name.endswith(_REST) else f"ARGV[{place}]" for place, name in enumerate(names, 1)]
    return f"local {', '.join(name.removesuffix(_REST) for name in names)} = {', '.join(places)}"


class _Named:
    """A script, and the names of its arguments in their order."""

    def __init__(self, client: Client, path: Path, library: Sequence[_Statement]) -> None:
        source = path.read_text()
        names = names_in(_ARGV, source)
        first_write = _FIRST_WRITE if path.stem in DESPITE_FULL else ""
        own = "\n".join((first_write, _arguments(names), _with_short_names(source)))
        self.script: Script = client.register_script(_needed_by(own, library) + own)
        self._rest = names[-1].removesuffix(_REST) if names and names[-1].endswith(_REST) else None
        self._names = names[:-1] if self._rest else names

    def args(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in their order. Raises KeyError for one that is missing."""
        args = [values[name] for name in self._names]
        if self._rest:
            args += values[self._rest]
        assert len(values) == len(self._names) + bool(self._rest), sorted(values)
        return args


class Scripts:
    """The scripts, loaded once, for keys under one prefix."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        library = _library(prefix)
        self._scripts = {
            path.stem: _Named(client, path, library) for path in _FOLDER.glob("*.lua") if path.stem != "_lib"
        }

    def __call__(self, script: str, /, **values: Any) -> Any:
        """Run a script by its name; its header says what the values are and what it returns."""
        named = self._scripts[script]
        return named.script(args=named.args(values))

    def each(self, name: str, arguments: Iterable[Any]) -> Iterator[Any]:
        """Run the script `name`, which has one argument, with each of these, one after the other.

        The next argument is made while Redis works on the one before: making it takes no time of its own.
        """
        waiting = iter(arguments)
        argument = next(waiting, None)
        while argument is not None:
            following = cache(lambda: next(waiting, None))  # a command that is sent again asks for it again
            yield self._run_meanwhile(self._scripts[name].script, argument, following)
            argument = following()

    def _run_meanwhile(self, script: Script, argument: Any, meanwhile: Any) -> Any:
        try:
            return self._client.execute_command("EVALSHA", script.sha, 0, argument, meanwhile=meanwhile)
        except NoScriptError:
            return script(args=[argument])
