"""Makes hostile text harmless and short, for messages that people read.

Task names and errors come from programs and from other people's servers. A message must show them, but they must not
mention anybody, become links, hide text or fill the screen.
"""

from __future__ import annotations

import re
import unicodedata

CUT_MARK = "…"
_ZERO_WIDTH = "\u200b"

#: After these a chat's client would see the start of a mention or a link.
_TRIGGERS = re.compile(r"@|://|(?<=[^\W_])\.(?=[^\W\d_])")
#: Control and format characters, among them those that change the direction of text, and lone surrogates.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_KEPT = frozenset("\n\t\u200d")  # the last joins the parts of an emoji


def one_line(text: str, limit: int) -> str:
    """`text` in one line of at most `limit` characters, without characters that can't be seen."""
    return cut(" ".join(visible(text).split()), limit)


def lines(text: str, limit: int, limit_lines: int = 30) -> str:
    """`text` in at most `limit` characters and `limit_lines` lines, without characters that can't be seen."""
    kept = visible(text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n").split("\n")
    if len(kept) > limit_lines:
        kept = [*kept[: limit_lines - 1], CUT_MARK]
    return cut("\n".join(line.rstrip() for line in kept), limit)


def visible(text: str) -> str:
    """`text` without control and format characters, except for line breaks and tabs."""
    return "".join(char for char in text if char in _KEPT or unicodedata.category(char) not in _HIDDEN)


def cut(text: str, limit: int) -> str:
    """The first `limit` characters; the last one is a mark if something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + CUT_MARK


def cut_bytes(text: str, limit: int) -> str:
    """As `cut`, for a limit in bytes of UTF-8."""
    coded = text.encode()
    if len(coded) <= limit:
        return text
    return coded[: limit - len(CUT_MARK.encode())].decode(errors="ignore") + CUT_MARK


def defused(text: str) -> str:
    """`text` with invisible gaps where a client would see a mention (`@all`) or a link (`evil.example`)."""
    return _TRIGGERS.sub(lambda found: found[0] + _ZERO_WIDTH, text)
