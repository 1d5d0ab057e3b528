"""Lua scripts by name: `scripts("claim", …)` runs `lua/claim.lua` behind `lua/_lib.lua`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from redis.commands.core import Script
from redis.exceptions import NoScriptError

from app.store.client import Client

#: What runs, ends, stops or keeps alive something that was accepted: it is written even where the memory is full.
DESPITE_FULL = frozenset({"alive", "claim", "complete", "hand_back", "lost", "overdue", "renew", "send", "stop"})
#: Redis refuses a script for want of memory only until it has written something: it must not be stopped half-way.
_FIRST_WRITE = "redis.call('DEL', P .. 'nothing')"

_FOLDER = Path(__file__).parent / "lua"


class Scripts:
    """The scripts, loaded once, for keys under one prefix."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        library = (_FOLDER / "_lib.lua").read_text().replace("$PREFIX", prefix)
        self._scripts: dict[str, Script] = {
            path.stem: client.register_script(f"{library}\n{_first_write(path.stem)}\n{path.read_text()}")
            for path in _FOLDER.glob("*.lua")
            if path.stem != "_lib"
        }

    def __call__(self, name: str, *args: Any) -> Any:
        """Run the script `name`; its header says what `args` are and what it returns."""
        return self._scripts[name](args=args)

    def each(self, name: str, arguments: Iterable[Any]) -> Iterator[Any]:
        """Run the script `name` with each argument, one after the other.

        The next argument is made while Redis works on the one before: making it takes no time of its own.
        """
        waiting = iter(arguments)
        argument = next(waiting, None)
        while argument is not None:
            following = cache(lambda: next(waiting, None))  # a command that is sent again asks for it again
            yield self._run_meanwhile(self._scripts[name], argument, following)
            argument = following()

    def _run_meanwhile(self, script: Script, argument: Any, meanwhile: Any) -> Any:
        try:
            return self._client.execute_command("EVALSHA", script.sha, 0, argument, meanwhile=meanwhile)
        except NoScriptError:
            return script(args=[argument])


def _first_write(name: str) -> str:
    return _FIRST_WRITE if name in DESPITE_FULL else ""
