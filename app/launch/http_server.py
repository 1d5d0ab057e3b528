"""The HTTP server: granian, serving `app.wsgi:web` on one port.

granian's main process keeps API_PROCESSES worker processes running and replaces each that dies. They listen on
sockets of their own at the same port, among which the kernel distributes connections. Threads serve the
requests; most of them are waiting for Redis or for a task to finish. Connections that are idle or have sent
only part of a request's head are closed after 30 s and occupy no thread. A request whose body does not
arrive does occupy one, so put a proxy in front where strangers may call.
"""

from __future__ import annotations

import errno
import os
import socket
import time

from app import logs
from app.launch.child import PARENT_PID, die_with_parent
from app.launch.processes import ROOT
from app.launch.serving import collect_rarely
from app.settings import Settings

PORT_SECONDS = 3.0  # the port of an API that was killed takes a moment to become free
WORKER_STOP_SECONDS = 5
CONNECTIONS = 1024  # open ones of a process; granian would divide this number by that of the processes


class PortNotFree(Exception):
    """The API can't bind to its address; the message says why in a sentence."""


def check_port(settings: Settings) -> None:
    """Raise PortNotFree if the port is taken. granian shares ports, so it would not notice by itself."""
    deadline = time.monotonic() + (PORT_SECONDS if PARENT_PID in os.environ else 0)
    while True:
        try:
            family, address = _address(settings)
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, settings.port))
                return
        except OSError as error:
            if time.monotonic() >= deadline:
                raise PortNotFree(
                    f"the API can't use port {settings.port} on {settings.host} ({error.strerror}): {_advice(error)}"
                ) from error
        time.sleep(0.1)


def _advice(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "set HOST to an address of this machine"
    if error.errno == errno.EACCES:
        return "choose a port above 1023 with --port, or permit this user to use it"
    return "stop the process that uses it, or choose another port with --port"


def _address(settings: Settings) -> tuple[socket.AddressFamily, str]:
    """The address to bind to; if the host's name has several, an IPv4 one."""
    host = settings.host.strip("[]")
    found = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, str(address[0])


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then give requests WORKER_STOP_SECONDS to finish.

    The environment must hold the settings: granian's workers read them there. What this process has loaded, they share
    where they are forked from it.
    """
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    die_with_parent()
    logs.configure(settings)
    os.environ[PARENT_PID] = str(os.getpid())  # so that granian's workers end with this process (app/wsgi.py)
    collect_rarely()
    Server(
        "app.wsgi:web",
        address=_address(settings)[1],
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.api_processes,
        backpressure=CONNECTIONS,
        blocking_threads=settings.api_threads,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels(settings.log_level.lower()),
        log_dictconfig=logs.granian_config(settings),
        respawn_failed_workers=True,
        workers_kill_timeout=WORKER_STOP_SECONDS,
        working_dir=ROOT,
    ).serve()
