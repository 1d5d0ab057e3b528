"""The rights of Celeriac's user in Redis, read from docs/redis.md, so that the tested rule is the documented one."""

from __future__ import annotations

import re

import redis

from tests.servers import ROOT

PASSWORD = "opensesame"
_RULE = re.compile(r"^user celeriac on >SECRET (.*)$", re.MULTILINE)


def documented_rule() -> list[str]:
    """The words of the rule, without the name and the password."""
    found = _RULE.findall((ROOT / "docs" / "redis.md").read_text())
    assert len(found) == 1, "docs/redis.md must have one line that begins with 'user celeriac on >SECRET '"
    return str(found[0]).split()


def documented_commands() -> set[str]:
    """The commands that the rule allows."""
    return {word.removeprefix("+") for word in documented_rule() if word.startswith("+")}


def create_user(admin: redis.Redis) -> None:
    """Make the user `celeriac` with these rights, and forget the refusals so far."""
    admin.execute_command("ACL", "SETUSER", "celeriac", "reset", "on", f">{PASSWORD}", *documented_rule())
    admin.execute_command("ACL", "LOG", "RESET")


def refusals(admin: redis.Redis) -> list[str]:
    """What the user was refused: the context and the command, key or channel."""
    entries = admin.acl_log()
    return [f"{entry['reason']} {entry['object']} ({entry['context']})" for entry in entries]  # type: ignore[index]
