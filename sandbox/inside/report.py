"""Writes the messages of a child to its parent."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

from sandbox import protocol


class Reporter:
    """Writes frames to `fd`. Output is cut off after `stdout_bytes`."""

    def __init__(self, fd: int, stdout_bytes: int) -> None:
        self.fd = fd
        self._room = stdout_bytes
        self._truncated = False

    def output(self, text: str) -> None:
        """Send a piece of output at once: it is shown while the program runs, and kept if the program is killed."""
        if self._truncated or not text:
            return
        data = text.encode("utf-8", "replace")
        if len(data) > self._room:
            self._truncated = True
            data = data[: self._room].decode("utf-8", "ignore").encode()
        self._room -= len(data)
        if data:
            self._write(protocol.frame(protocol.OUTPUT, data))
        if self._truncated:
            self._write(protocol.frame(protocol.OUTPUT, b""))  # at once: the program may be killed before its reply

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
        self._write(
            protocol.frame(protocol.METRICS, json.dumps(self._metrics()).encode()) + protocol.frame(letter, payload)
        )

    def _metrics(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_ms = round((usage.ru_utime + usage.ru_stime) * 1000, 3)
        return {"cpu_ms": cpu_ms, "memory_kb": usage.ru_maxrss}

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]
