"""Charsets by their names. Pure."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import re
from encodings.aliases import aliases
from functools import cache

NOT_CHARSETS = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
"""Python codecs for text that are not charsets of the web."""

MAX_NAME_CHARACTERS = 40


def text_codec(charset: str) -> codecs.CodecInfo | None:
    """Return Python's codec for a charset, or None for an unknown one.

    Python is asked for names that it has only: of any other, `encodings` keeps an entry for good.
    """
    name = _known_name(charset) if len(charset) <= MAX_NAME_CHARACTERS else None
    if name is None:
        return None
    try:
        info = codecs.lookup(name)
    except LookupError:  # a module of `encodings` that is no codec here
        return None
    is_text = getattr(info, "_is_text_encoding", False)
    return info if is_text and info.name.replace("-", "_") not in NOT_CHARSETS else None


def _known_name(charset: str) -> str | None:
    """Return the name as `codecs.lookup` would look it up, if Python has it."""
    name = re.sub(r"[^A-Za-z0-9.]+", "_", charset).strip("_").lower()
    return next((known for known in (name, name.replace(".", "_")) if known in _known_names()), None)


@cache
def _known_names() -> frozenset[str]:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    return frozenset({*aliases, *aliases.values(), *modules})
