"""Checking an answer's body, for APIs that answer 200 and report the failure in the body."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from app.domain.pointers import resolve, same
from tasks.http import Response, parsed_json

SHOWN_CHARACTERS = 200
"""Limit for each value that a message quotes."""


def mismatch(expected: Mapping[str, object], response: Response) -> str | None:
    """Return what is wrong with the body, as a sentence, or None if it is as expected.

    `contains` is a text that must occur in the body. `json` maps JSON pointers to the values that must be there; the
    body is read as JSON whatever its content type.
    """
    needle = expected.get("contains")
    if isinstance(needle, str) and needle not in (response.text or ""):
        return f"the body does not contain {_shown(needle)}{_why(response)}"
    pointers = expected.get("json")
    return _json_mismatch(pointers, response) if isinstance(pointers, Mapping) else None


def _json_mismatch(pointers: Mapping[str, object], response: Response) -> str | None:
    try:
        document = parsed_json(_text(response)) if isinstance(response.body, str) else response.body
    except ValueError:
        return f"the body is not JSON{_why(response)}"
    for pointer, value in pointers.items():
        place = f"the body's {pointer}" if pointer else "the body"
        try:
            found = resolve(document, pointer)
        except LookupError:
            return f"{place} does not exist; expected {_shown(value)}"
        if not same(found, value):
            return f"{place} is {_shown(found)}, expected {_shown(value)}"
    return None


def _text(response: Response) -> str:
    """Return the body as text: one whose type says that it is none as UTF-8. Raises ValueError if it is not."""
    if response.body_encoding != "base64" or response.body_truncated:
        return response.text or ""
    return base64.b64decode(str(response.body)).decode("utf-8-sig")


def _why(response: Response) -> str:
    if response.body_encoding is not None:
        return ": it is not text"
    return ": it was cut off at the limit for answers" if response.body_truncated else ""


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
