"""A wire between a host and the bridge that passes packets on as late as it is told: two TAP devices and a thread.

The kernel's netem does the same, where it is built in.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import select
import struct
import subprocess
import threading
import time
from itertools import count

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_FRAME_BYTES = 65_536
_PAUSE_SECONDS = 0.05


class Wire:
    """From the device NETNS, here, to eth0 in the network namespace NETNS."""

    def __init__(self, netns: str) -> None:
        self.delay_seconds = 0.0
        self._ends = [_tap(netns), _tap(f"{netns}e")]
        subprocess.run(["ip", "link", "set", f"{netns}e", "netns", netns, "name", "eth0"], check=True)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and with it both devices."""
        self._is_over.set()
        self._thread.join()
        for end in self._ends:
            os.close(end)

    def _run(self) -> None:
        late: list[tuple[float, int, int, bytes]] = []  # when, in which order, to which end, the frame
        order = count()
        while not self._is_over.is_set():
            wait = min(_PAUSE_SECONDS, max(0.0, late[0][0] - time.monotonic())) if late else _PAUSE_SECONDS
            for source in select.select(self._ends, [], [], wait)[0]:
                other = self._ends[1 - self._ends.index(source)]
                frame = _read(source)
                heapq.heappush(late, (time.monotonic() + self.delay_seconds, next(order), other, frame))
            while late and late[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(late)
                _write(target, frame)


def _tap(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return end


def _read(end: int) -> bytes:
    try:
        return os.read(end, _FRAME_BYTES)
    except OSError:
        return b""


def _write(end: int, frame: bytes) -> None:
    """A device that is down or full drops the frame, as a wire does."""
    try:
        if frame:
            os.write(end, frame)
    except OSError:
        return
