"""Lua scripts by name: `scripts("claim", …)` runs `lua/claim.lua` behind `lua/_lib.lua`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis.commands.core import Script

from app.store.client import Client

_FOLDER = Path(__file__).parent / "lua"


class Scripts:
    """The scripts, loaded once, for keys under one prefix."""

    def __init__(self, client: Client, prefix: str) -> None:
        library = (_FOLDER / "_lib.lua").read_text().replace("$PREFIX", prefix)
        self._scripts: dict[str, Script] = {
            path.stem: client.register_script(f"{library}\n{path.read_text()}")
            for path in _FOLDER.glob("*.lua")
            if path.stem != "_lib"
        }

    def __call__(self, name: str, *args: Any) -> Any:
        """Run the script `name`; its header says what `args` are and what it returns."""
        return self._scripts[name](args=args)
