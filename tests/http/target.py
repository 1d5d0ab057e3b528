"""A loopback target that does exactly what a test says, byte for byte.

`Target(script)` accepts connections and runs `script(wire)` for each in a separate thread. A script reads with
`wire.request()`, writes with `wire.send()`, and stalls with `wire.hold()`, which ends when the caller hangs up or the
test is over. There are no sleeps.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.http import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    head: bytes


@dataclass
class Wire:
    """The target's end of one connection."""

    sock: socket.socket
    over: threading.Event
    received: list[Received]
    number: int
    _buffer: bytes = field(default=b"")

    def request(self) -> Received | None:
        """Return the next complete request, or None if the caller hung up."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = self._exactly(int(headers.get("content-length", "0")))
        received = Received(method, path, headers, body, head)
        self.received.append(received)
        return received

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, seconds_between: float = 0.05) -> None:
        """Send the bytes one at a time, over and over, until the caller hangs up."""
        position = 0
        while not self.over.wait(seconds_between):
            self.sock.sendall(data[position % len(data) :][:1])
            position += 1

    def flood(self, data: bytes) -> None:
        """Send the bytes over and over, as fast as the caller reads, until it hangs up."""
        while not self.over.is_set():
            self.sock.sendall(data)

    def hold(self) -> None:
        """Neither read nor write until the caller hangs up or the test ends."""
        poller = select.poll()
        poller.register(self.sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while not self.over.is_set() and not poller.poll(20):
            pass

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _fill(self) -> bool:
        while not self.over.is_set():
            if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
                break
            if select.select([self.sock], [], [], 0.02)[0]:
                break
        data = b"" if self.over.is_set() else self.sock.recv(65536)
        self._buffer += data
        return bool(data)

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size and self._fill():
            pass
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return body


Script = Callable[[Wire], None]


class Target:
    """A listening target, and a context manager. `received` and `connections` tell what arrived."""

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", accepts: bool = True
    ) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._script = script
        self._tls = tls
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=256)
        self.port: int = self._listener.getsockname()[1]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept)

    def __enter__(self) -> Target:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._acceptor.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        self._listener.settimeout(0.02)
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            sock.settimeout(None)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        # In many tests the caller hangs up in the middle.
        with contextlib.suppress(OSError), contextlib.closing(sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                self._script(Wire(sock, self._over, self.received, number))
                return
            with self._tls.wrap_socket(sock, server_side=True) as wrapped:
                self._script(Wire(wrapped, self._over, self.received, number))


def answering(*answers: bytes) -> Script:
    """Give one answer to each of the target's requests, whatever their connection; the last one over and over."""

    def script(wire: Wire) -> None:
        while wire.request() is not None:
            wire.send(answers[min(len(wire.received), len(answers)) - 1])

    return script


def closing_after(answer: bytes) -> Script:
    """Answer one request, and close."""

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(answer)

    return script


def http(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer with a Content-Length."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {size}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(body: bytes, *headers: str, size: int = 1000) -> bytes:
    lines = ["HTTP/1.1 200 OK", *headers, "Transfer-Encoding: chunked", "", ""]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return "\r\n".join(lines).encode() + framed + b"0\r\n\r\n"


def get(url: str, timeout_seconds: float = 15.0, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", url, named, {}, None, timeout_seconds)


def send(
    method: str, url: str, data: object | None = None, timeout_seconds: float = 15.0, **headers: object
) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, url, named, {}, data, timeout_seconds)
