"""Troubles of the service itself: when they begin to be told, and when they are over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from app.domain.channels.notice import Notice, NoticeType
from app.domain.stored import known_fields

#: How long a trouble must last before it is told: restarts take their time, and full queues come and go.
PATIENCE_MS = 30_000
#: If no look was noted for this long, the service as a whole was away: nothing ran, or Redis took no writes.
AWAY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble that lasts. subject: what it is, one of those in app/domain/channels/notice.py. detail: which one."""

    subject: str
    detail: str
    since_ms: int
    is_told: bool

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Trouble:
        """The trouble with this stored form."""
        return cls(**known_fields(cls, stored))


#: What is wrong now: the name of each trouble, with its subject and detail.
Findings: TypeAlias = Mapping[str, tuple[str, str]]


def follow(known: Mapping[str, Trouble], found: Findings, now_ms: int) -> tuple[dict[str, Trouble], list[Notice]]:
    """The troubles after a look at the service, and the notices that are owed: one when it lasts, one at its end."""
    lasting, owed = dict[str, Trouble](), list[Notice]()
    for name, (subject, detail) in found.items():
        before = known.get(name)
        since_ms = min(before.since_ms, now_ms) if before else now_ms  # the clock may have been set back
        is_told = before is not None and before.is_told
        if not is_told and now_ms - since_ms >= PATIENCE_MS:
            is_told = True
            owed.append(Notice(NoticeType.TROUBLE, subject, now_ms, reason=detail, since_ms=since_ms))
        lasting[name] = Trouble(subject, detail, since_ms, is_told)
    for name, trouble in known.items():
        if name not in found and trouble.is_told:
            owed.append(Notice(NoticeType.WELL, trouble.subject, now_ms, trouble.detail, since_ms=trouble.since_ms))
    return lasting, owed


def absence(looked_ms: int | None, now_ms: int) -> Notice | None:
    """The notice that no beat or worker has noted a look for a while; None if one has."""
    if looked_ms is None or now_ms - looked_ms < AWAY_MS:
        return None
    return Notice(NoticeType.WELL, "away", now_ms, since_ms=looked_ms)
