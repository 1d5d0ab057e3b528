"""`Idempotency-Key`: recognise repeated requests. Pure. docs/idempotency.md has the promises to callers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

MAX_KEY_LENGTH = 255

_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Identifies a request that may be repeated.

    `name`: identifies the key together with the method and path. `fingerprint`: identifies the body.
    Both are hashes, since a caller's text of up to 255 characters should not be part of the name of a Redis key.
    """

    name: str
    fingerprint: str


def request_key(method: str, path: str, key: str, body: Any) -> RequestKey:
    """The key of a request with the JSON value `body`. Raises ValueError if `key` is malformed.

    Two bodies are the same if their JSON is: the order of members and whitespace do not matter.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"must have 1 to {MAX_KEY_LENGTH} visible ASCII characters and no spaces")
    return RequestKey(_digest([method, path, key]), _digest(body))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
