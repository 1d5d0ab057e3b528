"""A zygote and the children that wait for a program."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence

from sandbox.link import Child, Link
from sandbox.verdict import LayersMissing, Limits, SandboxError


class Pool:
    """One zygote, started when it is first needed and again after it has died. Thread-safe.

    options: command line of the zygote.
    spare_children: how many children to keep locked down and waiting.
    require: layers without which no child is handed out; "landlock|root" asks for one of the two.
    """

    def __init__(self, options: Sequence[str], spare_children: int, memory_bytes: int, require: Sequence[str]) -> None:
        self._options = tuple(options)
        self._spare_children = spare_children
        self._memory_bytes = memory_bytes
        self._require = tuple(require)
        self._lock = threading.Lock()
        self._closed = False
        self.link: Link | None = None
        self.spares: deque[Child] = deque()
        self.layers: dict[str, str] = {}

    @property
    def closed(self) -> bool:
        return self._closed

    def live_link(self) -> Link:
        """Return the zygote, started again if it has died. Raises SandboxError, LayersMissing."""
        with self._lock:
            if self._closed:
                raise SandboxError("the sandbox is closed")
            if self.link is None or self.link.lost.is_set():
                if self.link is not None:
                    self.link.close()
                self._drop_spares()
                self.link = self._started()
                self._fill(self.link)
            return self.link

    def _started(self) -> Link:
        link = Link(self._options)
        self.layers = link.layers
        missing = [wanted for wanted in self._require if not _holds(wanted, link.layers)]
        if missing:
            link.close()
            raise LayersMissing(", and ".join(_said(wanted, link.layers) for wanted in missing))
        return link

    def _drop_spares(self) -> None:
        while self.spares:
            self.spares.popleft().socket.close()

    def _fill(self, link: Link) -> None:
        while len(self.spares) < self._spare_children:
            self.spares.append(link.spawn(self._memory_bytes, None))

    def take(self, limits: Limits) -> Child:
        """Return a spare child if one fits, else a new one for these limits. Raises SandboxError."""
        link = self.live_link()
        cpu_seconds = None if limits.cpu_seconds is None else math.ceil(limits.cpu_seconds)
        if cpu_seconds is not None or limits.memory_bytes != self._memory_bytes:
            return link.spawn(limits.memory_bytes, cpu_seconds)
        with self._lock:
            while self.spares:
                child = self.spares.popleft()
                if child.still_waits():
                    return child
                child.socket.close()  # it was killed while it waited
        return link.spawn(self._memory_bytes, None)

    def refill(self) -> None:
        """Have as many children waiting as there should be."""
        with self._lock:
            if self.link is not None and not self.link.lost.is_set():
                try:
                    self._fill(self.link)
                except SandboxError:
                    return  # the next run starts a new zygote

    def close(self) -> None:
        """End the zygote and every child."""
        with self._lock:
            self._closed = True
            link, self.link = self.link, None
            spares, self.spares = list(self.spares), deque()
        for child in spares:
            child.socket.close()
        if link is not None:
            link.close()

    def start_anew(self) -> None:
        """Forget everything, in a forked process: the other threads are gone, and so are the locks they held."""
        self._lock = threading.Lock()
        link, self.link = self.link, None
        self._drop_spares()
        if link is not None:
            link.abandon()


def _holds(wanted: str, layers: Mapping[str, str]) -> bool:
    """Whether one of the alternatives is on."""
    return any(layers.get(name) == "on" for name in wanted.split("|"))


def _said(wanted: str, layers: Mapping[str, str]) -> str:
    return " or ".join(f"{name} ({layers.get(name, 'unknown')})" for name in wanted.split("|"))
