"""The audit: one line for each change that a caller made, in a stream of the newest ones."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any

from app.domain.errors import Unavailable, reason_of
from app.store.client import Client
from app.store.keys import Keys
from app.store.oneway import OneWay

logger = logging.getLogger("celeriac.audit")

#: At least so many of the newest lines are kept. Redis trims whole nodes of 100 lines, which costs next to nothing.
KEPT_LINES = 10_000

#: Lines that are compared with the filters for one page.
SCAN_PER_PAGE = 2_000

_CURSOR = re.compile(r"[1-9][0-9]{0,15}-[0-9]{1,10}", re.ASCII)  # Redis knows nothing before 0-0


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A change: who made it, when, by which call, on what, from where.

    target_id: "" for none. id: its place in the audit, "" until it has one.
    """

    at_ms: int
    who: str
    method: str
    route: str
    target_id: str
    status: int
    address: str
    id: str = field(default="", compare=False)

    def log_lost(self, error: Unavailable) -> None:
        """Let the log have the line, since Redis could not take it."""
        told = {"who": self.who, "method": self.method, "route": self.route, "target_id": self.target_id}
        logger.warning("audit line lost", extra={"action": "audit_lost", "reason": reason_of(error), **told})


class AuditStore:
    """Thread-safe; raises Unavailable if Redis can't be reached."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._key = keys.audit
        self._oneway = OneWay(client)

    def append(self, line: AuditLine) -> None:
        """Add a line, and drop the oldest."""
        self._client.execute_command(*self._command(line))

    def send(self, line: AuditLine) -> None:
        """The same without waiting for Redis, for calls that this must not slow down.

        Raises Unavailable if the line could not be sent. Nobody learns of it if Redis refuses the line.
        """
        self._oneway.send(*self._command(line))

    def _command(self, line: AuditLine) -> tuple[str | int, ...]:
        values = "\t".join((str(line.at_ms), line.method, line.route, str(line.status), line.address, line.target_id))
        return ("XADD", self._key, "MAXLEN", "~", KEPT_LINES, "*", line.who, values)

    def close(self) -> None:
        """Close the connection on which lines are sent."""
        self._oneway.close()

    def page(
        self, limit: int, cursor: str | None, who: str | None = None, target_id: str | None = None
    ) -> tuple[list[AuditLine], str | None]:
        """Up to `limit` lines that match, newest first, and the cursor of the next page; None ends the list.

        A page neither skips nor repeats lines, whatever is added meanwhile. Where few match, it may hold fewer, and has
        a cursor. Raises ValueError for a cursor that no page gave.
        """
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise ValueError("is not a cursor that a list gave")
        budget = limit if who is None and target_id is None else SCAN_PER_PAGE
        newest = "+" if cursor is None else f"({cursor}"
        entries: Any = self._client.xrevrange(self._key, newest, "-", count=budget + 1)
        lines = [_line(*entry) for entry in entries]
        if not lines:
            return [], None
        looked_at = lines[:budget]
        page = [line for line in looked_at if who in (None, line.who) and target_id in (None, line.target_id)][:limit]
        last = page[-1] if len(page) == limit else looked_at[-1]
        return page, None if last is lines[-1] else last.id


def _line(entry_id: str, fields: dict[str, str]) -> AuditLine:
    ((who, values),) = fields.items()
    at_ms, method, route, status, address, target_id = values.split("\t", 5)
    return AuditLine(int(at_ms), who, method, route, target_id, int(status), address, entry_id)
