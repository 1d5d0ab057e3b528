"""The bytes between the parent and a child. Both sides import this file; it imports nothing of the package.

The parent sends one frame, RUN or CHECK. The child sends CODE if it is wanted, before the program starts; then any
number of OUTPUT frames, then METRICS, and finally RESULT, FAILURE or NOT_HERE. A frame is one letter, the length of the
payload in four bytes, and the payload.

SPAWN and NEWS are what the parent and a zygote tell each other, one to a datagram.
"""

from __future__ import annotations

import struct
from typing import Any

#: Marshalled tuples. (The parent writes marshalled values and never reads any: reading hostile ones is not safe.)
#: code (marshalled; empty where it is not known), whether to send the code, source, function, args, kwargs and context
#: (JSON), most bytes of result and of output. All texts are UTF-8, so that the child decodes what it needs.
RUN = b"j"
CHECK = b"k"  # source, function, and what signatures.problem_of_call takes
CODE = b"c"  # FITS_LEAN or NEEDS_FULL, and the program's marshalled code; empty where it is too long to be kept
FITS_LEAN, NEEDS_FULL = b"l", b"f"
OUTPUT = b"o"  # UTF-8 text that the program printed; an empty last one says that the rest was cut off
METRICS = b"m"  # JSON: {"cpu_ms", "memory_kb"}
RESULT = b"r"  # JSON: what the function returned (run), or the list of problems (check)
FAILURE = b"f"  # JSON: {"type", "message", "line", "traceback", "permanent"}
NOT_HERE = b"n"  # empty: the program asked for something that children of the lean zygote do not have

HEADER = struct.Struct("!cI")
MAX_JOB_BYTES = 16 * 1024 * 1024
#: Code that takes more is compiled anew for each run.
MAX_CODE_BYTES = 256 * 1024
#: Bytes that a child may send besides output and result: headers, metrics, a traceback.
SLACK_BYTES = 65_536
MAX_MESSAGE_CHARS = 4_000
MAX_TRACEBACK_CHARS = 16_000
MAX_TYPE_CHARS = 200
#: How deep a result may be nested: its readers recurse, with a stack of their own above.
MAX_RESULT_DEPTH = 500

#: To the zygote, with the child's end of its socket: number, bytes of memory, seconds of processor time (0: no limit).
SPAWN = struct.Struct("!IQI")
#: From the zygote: BORN with a pidfd, DIED, or REFUSED where the system allows no further process; number, wait status,
#: milliseconds of processor time, KB of memory.
NEWS = struct.Struct("!cIidQ")
BORN, DIED, REFUSED = b"b", b"d", b"r"


def frame(letter: bytes, payload: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(letter, len(payload)) + payload


class Frames:
    """Turns bytes, as they arrive, into whole frames. Raises ValueError for a frame longer than `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the frames that `data` completes."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= HEADER.size:
            letter, length = HEADER.unpack_from(self._buffer)
            if length > self._max_bytes:
                raise ValueError("a frame is too long")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append((letter, bytes(self._buffer[HEADER.size : end])))
            del self._buffer[:end]
        return frames


def is_too_deep(data: bytes, value: Any) -> bool:
    """Whether JSON, read as `value`, is nested deeper than a result may be."""
    if not may_be_too_deep(data):
        return False
    level = [value]
    for _ in range(MAX_RESULT_DEPTH):
        level = [inner for outer in level for inner in _inside(outer) if type(inner) is list or type(inner) is dict]
        if not level:
            return False
    return True


def may_be_too_deep(data: bytes) -> bool:
    """Whether it has so many brackets that it is worth a closer look."""
    return data.count(b"[") + data.count(b"{") > MAX_RESULT_DEPTH


def _inside(outer: Any) -> Any:
    return outer.values() if type(outer) is dict else outer
