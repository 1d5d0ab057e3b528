"""Decoding of chunked bodies (RFC 9112, 7.1), block by block. Pure."""

from __future__ import annotations

import http.client
import re

from tasks.http.errors import ReceiveLimit

MAX_LINE_BYTES = 16 * 1024
"""Limit for the line with a chunk's size and extensions, and for a line of the trailer."""

FREE_CHUNKS = 16_384
WIRE_BYTES_PER_CHUNK = 16
"""Each chunk costs time, however small. Beyond FREE_CHUNKS, chunks must have this size on average."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_EMPTY_LINES = (b"\r\n", b"\n")

_KNOWN_LINE_BYTES = 4  # up to two digits, so there are few of them

_RUN_AFTER = 32
_RUN_GROWTH = 8
_RUN_MAX_SIZE = 32


class ChunkDecoder:
    """Turns the bytes of a chunked body into its content as they arrive.

    Long runs of equal small chunks are decoded at once, since some servers send one chunk per character. Raises
    http.client.HTTPException for malformed chunks, and ReceiveLimit for too many small ones.
    """

    def __init__(self) -> None:
        self.is_done = False
        self._rest = b""  # the start of an incomplete line
        self._left = 0  # bytes of the current chunk that are still to come
        self._in_trailer = False
        self._after_data = False
        self._budget_chunks = FREE_CHUNKS
        self._last_line = b""
        self._sizes: dict[bytes, int] = {}  # of lines that came before
        self._equal_lines = 0

    def feed(self, block: bytes) -> bytes:
        """Return what `block` adds to the body. Bytes after the end of the body (`is_done`) are ignored."""
        self._budget_chunks += len(block) // WIRE_BYTES_PER_CHUNK
        data = self._rest + block if self._rest else block
        pieces: list[bytes] = []
        at = self._take_data(data, 0, pieces) if self._left else 0
        while at < len(data) and not self.is_done:
            end = data.find(b"\n", at) + 1
            if (end or len(data)) - at > MAX_LINE_BYTES:
                raise http.client.LineTooLong("chunk line")
            if not end:
                break
            start, at = at, end
            self._take_line(data[start:end])
            if self._left:
                at = self._take_chunks(data, start, end, pieces)
        self._rest = data[at:]
        return b"".join(pieces)

    def _take_line(self, line: bytes) -> None:
        if self._after_data:
            if line not in _EMPTY_LINES:
                raise http.client.HTTPException("a chunk that is longer than its size")
            self._after_data = False
        elif self._in_trailer:
            self.is_done = line in _EMPTY_LINES
        else:
            self._begin_chunk(line)

    def _begin_chunk(self, line: bytes) -> None:
        self._equal_lines = self._equal_lines + 1 if line == self._last_line else 0
        self._last_line = line
        size_bytes = self._sizes.get(line)
        if size_bytes is None:
            size_bytes = self._size_of(line)
        self._budget_chunks -= 1
        if self._budget_chunks < 0:
            raise ReceiveLimit
        self._left = size_bytes
        self._after_data = size_bytes > 0
        self._in_trailer = size_bytes == 0

    def _size_of(self, line: bytes) -> int:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise http.client.HTTPException("a chunk without a size")
        size_bytes = int(match[1], 16)
        if len(line) <= _KNOWN_LINE_BYTES:
            self._sizes[line] = size_bytes
        return size_bytes

    def _take_chunks(self, data: bytes, start: int, at: int, pieces: list[bytes]) -> int:
        """Take the chunk whose line is at `start`, and equal chunks after it. Returns where the next line begins."""
        if self._equal_lines >= _RUN_AFTER and self._left <= _RUN_MAX_SIZE:
            carried, stop = self._run(data, start, at - start)
            if carried:
                pieces.append(carried)
                return stop
        return self._take_data(data, at, pieces)

    def _take_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        at += len(piece)
        if self._left or data[at : at + 2] != b"\r\n":
            return at
        self._after_data = False
        return at + 2

    def _run(self, data: bytes, start: int, line_bytes: int) -> tuple[bytes, int]:
        """Decode equal chunks in a row; return their content and where they end.

        Equal chunks form a table in which every byte of the framing is a constant column. The number of rows looked
        at is a multiple of the number decoded so far, which keeps a failed attempt cheap.
        """
        size = self._left
        stride = line_bytes + size + 2
        count = min((len(data) - start) // stride, self._equal_lines * _RUN_GROWTH)
        framing = [*enumerate(self._last_line), (line_bytes + size, 0x0D), (line_bytes + size + 1, 0x0A)]
        looked_at = count
        for offset, byte in framing:
            column = data[start + offset : start + count * stride : stride]
            count = min(count, len(column) - len(column.lstrip(bytes((byte,)))))
        self._equal_lines = self._equal_lines + count if count == looked_at else 0
        if count == 0:
            return b"", start
        stop = start + count * stride
        carried = bytearray(count * size)
        for offset in range(size):
            carried[offset::size] = data[start + line_bytes + offset : stop : stride]
        self._left, self._after_data = 0, False
        return bytes(carried), stop
