"""The last check of header names and values before they are sent, wherever they come from."""

from __future__ import annotations

import re

from tasks.http.errors import InvalidURL

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def holds_control_characters(value: str) -> bool:
    """Tell whether the value holds a control character other than a tab. It could split a request in two."""
    return _CONTROL.search(value) is not None


def check_field(name: str, value: str | bytes) -> None:
    """Raise InvalidURL for a header that HTTP does not allow. The message does not show the value."""
    if not _NAME.fullmatch(name):
        raise InvalidURL("a header's name holds a character that HTTP does not allow")
    found = _CONTROL.search(value) if isinstance(value, str) else _CONTROL_BYTES.search(value)
    if found is not None:
        raise InvalidURL(f"the value of the header {name} holds a character that HTTP does not allow")
