"""`Idempotency-Key`: which request is a repetition of which. Pure. What callers may rely on: docs/idempotency.md."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

MAX_KEY_LENGTH = 255

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request that may be repeated.

    `name`: its key, of this method and path, as the store knows it. `fingerprint`: tells its body from another one.
    Both are hashes: a caller's text of 255 characters has no business in the name of a Redis key.
    """

    name: str
    fingerprint: str


def request_key(method: str, path: str, key: str, body: Any) -> RequestKey:
    """The key of a request whose body is the JSON value `body`. Raises ValueError where `key` can't be one.

    Bodies are the same when their JSON is: the order of members and the blanks between them don't count.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"must have 1 to {MAX_KEY_LENGTH} visible ASCII characters and no spaces")
    return RequestKey(_digest([method, path, key]), _digest(body))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
