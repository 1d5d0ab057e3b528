"""Content codings, undone piece by piece: a bomb costs what is read of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE_BYTES = 64 * 1024
MAX_CODINGS = 3
"""Honest answers have one; a target may name a hundred."""

_GZIP = 16 + zlib.MAX_WBITS
_WINDOW_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class BadCoding(Exception):
    """The body is not coded as its header says, or ends in the middle."""


def content_codings(header: str) -> list[str] | None:
    """The codings to undo, the outermost last; None if one of them can't be undone here."""
    codings = [coding for part in header.split(",") if (coding := part.strip().lower()) not in ("", "identity")]
    if len(codings) > MAX_CODINGS or any(coding not in _WINDOW_BITS for coding in codings):
        return None
    return codings


def decoded(pieces: Iterator[bytes], codings: list[str]) -> Iterator[bytes]:
    """The plain body in pieces of at most PIECE_BYTES, made as they are asked for. Raises BadCoding."""
    for coding in reversed(codings):
        pieces = _inflated(pieces, _WINDOW_BITS[coding])
    return pieces


class _Inflater:
    """One layer of zlib. gzip may have several members; what follows the last one is padding, and ignored."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._zlib: zlib._Decompress | None = None
        self._has_ended = False

    def inflate(self, piece: bytes) -> Iterator[bytes]:
        while piece and not (self._has_ended and not self._starts_member(piece)):
            if self._zlib is None:
                self._zlib = zlib.decompressobj(self._bits_for(piece))
            try:
                plain = self._zlib.decompress(piece, PIECE_BYTES)
            except zlib.error:
                raise BadCoding from None
            if plain:
                yield plain
            piece = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if self._zlib.eof:
                self._zlib, self._has_ended = None, True

    def finish(self) -> None:
        if self._zlib is not None:
            raise BadCoding

    def _starts_member(self, piece: bytes) -> bool:
        return self._zlib is not None or (self._window_bits == _GZIP and piece[0] == 0x1F)

    def _bits_for(self, first: bytes) -> int:
        # "deflate" is zlib's format, and some servers send it bare. RFC 1950: the method is the low nibble.
        is_bare = self._window_bits == zlib.MAX_WBITS and first[0] & 0x0F != 8
        return -zlib.MAX_WBITS if is_bare else self._window_bits


def _inflated(pieces: Iterator[bytes], window_bits: int) -> Iterator[bytes]:
    layer = _Inflater(window_bits)
    for piece in pieces:
        yield from layer.inflate(piece)
    layer.finish()
