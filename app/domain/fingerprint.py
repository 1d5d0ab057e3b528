"""Fingerprints of failures: failures that differ only in numbers, ids and URLs have the same one."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from app.domain.outcome import Failure
from app.domain.status import Kind

MAX_TYPE_LENGTH = 200
MAX_MESSAGE_LENGTH = 300
FINGERPRINT_LENGTH = 16

#: What is blanked, in this order, and by what it is replaced. Each pattern takes time linear in the message's length.
_BLANKS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>)\]]+", re.IGNORECASE), "<url>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"(?<![\w.])[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?"), "<n>"),
    (re.compile(r"\d+"), "<n>"),
)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """What the failures of one fingerprint have in common. `message` is blanked and bounded."""

    fingerprint: str
    type: str
    message: str


def blanked(message: str) -> str:
    """A message with `<url>`, `<id>` and `<n>` for its URLs, ids and numbers."""
    for pattern, blank in _BLANKS:
        message = pattern.sub(blank, message)
    return message


def group_of(kind: Kind | str, failure: Failure) -> FailureGroup:
    """The group to which a failure of a task of this kind belongs."""
    message = blanked(failure.message)
    common = json.dumps([str(kind), failure.type, message, failure.line])
    fingerprint = hashlib.sha256(common.encode()).hexdigest()[:FINGERPRINT_LENGTH]
    return FailureGroup(fingerprint, failure.type[:MAX_TYPE_LENGTH], message[:MAX_MESSAGE_LENGTH])
