"""Writes the messages of a child to its parent."""

from __future__ import annotations

import json
import os
import resource

from sandbox import protocol


class Reporter:
    """Writes frames to `fd`. Output is cut off after `room` bytes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.room = 0
        self._truncated = False

    def output(self, text: str) -> None:
        """Send a piece of output at once: it is shown while the program runs, and kept if the program is killed."""
        if self._truncated or not text:
            return
        data = text.encode("utf-8", "replace")
        if len(data) > self.room:
            self._truncated = True
            data = data[: self.room].decode("utf-8", "ignore").encode()
        self.room -= len(data)
        if data:
            self._write(protocol.frame(protocol.OUTPUT, data))
        if self._truncated:
            self._write(protocol.frame(protocol.OUTPUT, b""))  # at once: the program may be killed before its reply

    def code(self, mark: bytes, code: bytes) -> None:
        """Before the program starts: its code, for its next run. Too much of it is not sent, but that is said."""
        sent = mark + code if len(code) < protocol.MAX_CODE_BYTES else b""
        self._write(protocol.frame(protocol.CODE, sent))

    def not_here(self) -> None:
        """The last word of a program that needs what this child does not have."""
        self._write(protocol.frame(protocol.NOT_HERE, b""))

    def result(self, result_json: bytes) -> None:
        """The last word of a program that returned."""
        self._last(protocol.RESULT, result_json)

    def failure(
        self,
        kind: str,
        message: str,
        line: int | None = None,
        traceback: str | None = None,
        *,
        permanent: bool = False,
    ) -> None:
        """The last word of a program that failed. permanent: it would fail so again."""
        reply = {
            "type": kind if kind.isidentifier() and len(kind) <= protocol.MAX_TYPE_CHARS else "Exception",
            "message": message[: protocol.MAX_MESSAGE_CHARS],
            "line": line,
            "permanent": permanent,
            "traceback": None if traceback is None else traceback[-protocol.MAX_TRACEBACK_CHARS :],
        }
        self._last(protocol.FAILURE, json.dumps(reply).encode())

    def _last(self, letter: bytes, payload: bytes) -> None:
        self._write(protocol.frame(protocol.METRICS, self._metrics()) + protocol.frame(letter, payload))

    def _metrics(self) -> bytes:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        return b'{"cpu_ms": %.3f, "memory_kb": %d}' % (cpu_ms, usage.ru_maxrss)

    def _write(self, data: bytes) -> None:
        written = os.write(self.fd, data)
        while written < len(data):
            written += os.write(self.fd, memoryview(data)[written:])
