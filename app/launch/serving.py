"""What an API process needs and its server does not offer: news of the shutdown, a last call, a limit on how long a
response waits for its reader, and few collections of garbage."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.util import Finalize
from pathlib import Path

#: A connection is closed if its peer accepts no data for this long while a response waits to be sent.
UNREAD_SECONDS = 30
_LISTEN_SECONDS = 30.0
_LOOK_SECONDS = 0.05
#: Objects that were made and not freed, after which garbage is looked for. A request leaves next to none: what it
#: made is freed by its last reference.
_OBJECTS_PER_COLLECTION = 50_000
_ENDING = frozenset({signal.SIGINT, signal.SIGTERM})


def at_end(call: Callable[[], object]) -> None:
    """Call `call` when this process ends by itself, the latest first.

    A server that has forked this process by multiprocessing does not ask `atexit`; others ask both.
    """
    Finalize(None, call, exitpriority=0)


def on_shutdown(call: Callable[[], None]) -> None:
    """Call `call` in a thread once this process is told to end. The server's own signal handler stays in charge.

    Without effect outside the main thread, and if the server uses Python's wakeup descriptor itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    previous = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    if previous != -1:
        signal.set_wakeup_fd(previous)
        return
    ours.setblocking(True)

    def wait() -> None:
        with theirs:  # kept open as long as this thread waits
            while not _ENDING & set(ours.recv(64)):
                pass
            call()
            threading.Event().wait()

    threading.Thread(target=wait, name="shutdown", daemon=True).start()


def close_unread_connections(port: int, seconds: int = UNREAD_SECONDS) -> None:
    """Limit how long the responses of the server at `port` in this process wait for their readers.

    The kernel keeps the time (TCP_USER_TIMEOUT), and a connection inherits it from its listening socket. That socket is
    the server's, which opens it after it has loaded the application, so a thread looks for it.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return  # not Linux

    def look() -> None:
        deadline = time.monotonic() + _LISTEN_SECONDS
        while not _limit(port, seconds) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    threading.Thread(target=look, name="unread", daemon=True).start()


def _limit(port: int, seconds: int) -> bool:
    """Set the option on the listening sockets at `port`. Returns whether there was one."""
    found = False
    for listener in _own_sockets():
        with listener:
            if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and listener.getsockname()[1:2] == (port,):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)
                found = True
    return found


def _own_sockets() -> Iterator[socket.socket]:
    """Copies of this process's IP sockets, for the caller to close."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = os.dup(int(entry.name))
        except OSError:
            continue  # closed meanwhile
        try:
            found = socket.socket(fileno=copy)
        except OSError:  # not a socket
            os.close(copy)
            continue
        if found.family in (socket.AF_INET, socket.AF_INET6):
            yield found
        else:
            found.close()


def collect_rarely() -> None:
    """Leave what exists now, which is needed until the end, out of all collections of garbage, and collect rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION, *gc.get_threshold()[1:])
