"""Charsets by their names: Python's codecs, without what Python keeps of unknown names."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.charsets import NOT_CHARSETS, text_codec

NAMES = sorted({*aliases, *aliases.values(), *(module.name for module in pkgutil.iter_modules(encodings.__path__))})

WRITINGS = {
    "as it is": lambda name: name,
    "upper case": str.upper,
    "hyphens": lambda name: name.replace("_", "-"),
    "blanks": lambda name: f" {name} ".replace("_", " "),
    "runs": lambda name: name.replace("_", "-_ "),
    "dots": lambda name: name.replace("_", "."),
    "signs around": lambda name: f"__{name}:/",
}


def looked_up(name: str) -> codecs.CodecInfo | None:
    """What Python finds under a name, if it is a charset."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        return None
    is_charset = found._is_text_encoding and found.name.replace("-", "_") not in NOT_CHARSETS
    return found if is_charset else None


@pytest.mark.parametrize("writing", WRITINGS)
def test_each_charset_of_python_is_found_however_it_is_written(writing: str) -> None:
    for name in NAMES:
        written = WRITINGS[writing](name)
        expected = looked_up(written)
        found = text_codec(written)
        if expected is not None:
            assert (written, found and found.name) == (written, expected.name)


@pytest.mark.parametrize("name", ["base64", "zlib", "idna", "unicode_escape", "klingon", "", " ", "-", "utf-8" * 10])
def test_what_is_no_charset_is_not_found(name: str) -> None:
    assert text_codec(name) is None


@given(st.text(max_size=45) | st.from_regex(r"[a-z]{1,9}[-_. 0-9]{1,9}", fullmatch=True))
def test_python_is_asked_for_names_that_it_knows_only(name: str) -> None:
    asked_before = set(encodings._cache)
    text_codec(name)
    assert encodings._cache.keys() - asked_before <= set(NAMES)
