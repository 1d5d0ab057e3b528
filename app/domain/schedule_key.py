"""The key of a scheduled task: its caller's own name for it, by which it is created, changed and kept in files.

It is a part of an address. Bytes there that are no UTF-8 are read as U+FFFD, so this one is refused: two keys that
differ only in such bytes would be the same. Control characters and lone surrogates could not be written to a file.
"""

from __future__ import annotations

import re

MAX_LENGTH = 200
PATTERN = r"^[^/\x00-\x1f\x7f-\x9f\ufffd]+$"
RULE = f"must have 1 to {MAX_LENGTH} characters, without slashes and control characters"
_KEY = re.compile(rf"[^/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]{{1,{MAX_LENGTH}}}")


def is_schedule_key(value: object) -> bool:
    """Whether a scheduled task may have this key."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None
