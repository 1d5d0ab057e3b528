"""Decoding of an answer's content coding, piece by piece: a bomb costs only what is read of it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli

from tasks.http.errors import ReceiveLimit

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 64 * 1024

MAX_MEMBERS = 1_000
"""Limit for the gzip members or zstd frames in one body: each costs time, however little it holds."""

MAX_ZSTD_WINDOW_LOG = 23
"""8 MiB, the largest window that RFC 9659 permits. The window takes our memory."""

MAX_HEADER_CHARACTERS = 1_000

_GZIP = 16 + zlib.MAX_WBITS
_NOT_UNDONE = frozenset({"compress", "x-compress", "exi", "pack200-gzip", "aes128gcm", "dcb", "dcz"})
"""IANA's other codings. Any other word, such as `utf-8`, is no coding and is ignored, as browsers do."""


class BadCoding(Exception):
    """The body is not coded as its header says, or ends in the middle."""


class _Decoder(Protocol):
    """One content coding. Raises BadCoding."""

    @property
    def has_more(self) -> bool:
        """Whether more output is ready without further input."""

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        """Return some output (about PIECE_BYTES at most) and the input that was not used yet."""

    def finish(self) -> None:
        """Called at the end of the input."""


def content_coding(header: str) -> str | None:
    """Return the coding to undo, or "" if there is none.

    Returns None if it can't be undone here: an unsupported coding, or more than one.
    """
    if len(header) > MAX_HEADER_CHARACTERS:
        return None
    named = [part.strip().lower() for part in header.split(",")]
    codings = [coding for coding in named if coding in _DECODERS or coding in _NOT_UNDONE]
    if not codings:
        return ""
    return codings[0] if len(codings) == 1 and codings[0] in _DECODERS else None


def decoded(pieces: Iterator[bytes], coding: str, check: Callable[[], object]) -> Iterator[bytes]:
    """Yield the decoded body in pieces, lazily.

    `check` is called before every step and may raise to end the work. Raises BadCoding, and ReceiveLimit beyond
    MAX_MEMBERS.
    """
    if not coding:
        yield from pieces
        return
    decoder = _DECODERS[coding]()
    has_begun = False
    for piece in pieces:
        has_begun = True
        rest = piece
        while rest or decoder.has_more:
            check()
            plain, rest = decoder.step(rest)
            if plain:
                yield plain
    if has_begun:  # answers to HEAD and 304s have no body, whatever their coding
        decoder.finish()


class _Zlib:
    """gzip with any number of members, or deflate. Bytes after the last member are padding and ignored."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._zlib: zlib._Decompress | None = None
        self._members = 0
        self.has_more = False

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        if self._zlib is None:
            if self._members and not self._starts_member(data):
                return b"", b""
            self._zlib = zlib.decompressobj(self._bits_for(data))
            self._members += 1
            _check_members(self._members)
        try:
            plain = self._zlib.decompress(data, PIECE_BYTES)
        except zlib.error:
            raise BadCoding from None
        rest = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
        if self._zlib.eof:
            self._zlib = None
        self.has_more = self._zlib is not None and len(plain) >= PIECE_BYTES  # all input may be used before that
        return plain, rest

    def finish(self) -> None:
        if self._zlib is not None:
            raise BadCoding

    def _starts_member(self, data: bytes) -> bool:
        return self._window_bits == _GZIP and data[0] == 0x1F

    def _bits_for(self, first: bytes) -> int:
        # "deflate" means zlib's format, but some servers send raw deflate. RFC 1950: the method is the low nibble.
        is_bare = self._window_bits == zlib.MAX_WBITS and first[0] & 0x0F != 8
        return -zlib.MAX_WBITS if is_bare else self._window_bits


class _Zstd:
    """zstd with any number of frames."""

    def __init__(self) -> None:
        self._frames = 0
        self._frame: zstd.ZstdDecompressor | None = None

    @property
    def has_more(self) -> bool:
        return self._frame is not None and not self._frame.needs_input

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        if self._frame is None:
            options = {int(zstd.DecompressionParameter.window_log_max): MAX_ZSTD_WINDOW_LOG}
            self._frame = zstd.ZstdDecompressor(options=options)
            self._frames += 1
            _check_members(self._frames)
        try:
            plain = self._frame.decompress(data, PIECE_BYTES)
        except zstd.ZstdError:
            raise BadCoding from None
        if not self._frame.eof:
            return plain, b""
        rest = self._frame.unused_data
        self._frame = None
        return plain, rest

    def finish(self) -> None:
        if self._frame is not None:
            raise BadCoding


class _Brotli:
    """br, a single stream."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self.has_more = False

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            plain = bytes(self._stream.process(data, output_buffer_limit=PIECE_BYTES))
        except brotli.error:
            raise BadCoding from None
        # can_accept_more_data() looks at the input alone: the last of it may be used before all output is out.
        is_full = len(plain) >= PIECE_BYTES and not self._stream.is_finished()
        self.has_more = is_full or not self._stream.can_accept_more_data()
        return plain, b""

    def finish(self) -> None:
        if not self._stream.is_finished():
            raise BadCoding


def _check_members(count: int) -> None:
    if count > MAX_MEMBERS:
        raise ReceiveLimit


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": lambda: _Zlib(_GZIP),
    "x-gzip": lambda: _Zlib(_GZIP),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
