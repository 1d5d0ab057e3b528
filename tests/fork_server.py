"""The process behind tests/warm.py: it has imported what workers need, and forks for each module to run.

It reads a request per line from the socket whose descriptor is its argument, and writes a line when a fork was
started ({"id", "pid"}) and when one has ended ({"pid", "status"}). It ends with the other end of the socket; the
forks live on, as any process would.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import socket
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: What `celery worker` and `celery beat` import beside the modules of tasks/preload.py.
COMMANDS = ("celery.bin.celery", "celery.fixups.django")


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Fork for each request until the socket's end. Returns None here then, and the request in each fork."""
    reader = connection.makefile("rb")
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    running: dict[int, int] = {}  # pidfd -> pid
    while True:
        for file, _ in poll.poll():
            if file in running:
                pid = running.pop(file)
                poll.unregister(file)
                os.close(file)
                _tell(connection, pid=pid, status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                continue
            line = reader.readline()
            if not line:
                return None
            request = json.loads(line)
            pid = os.fork()
            if not pid:
                reader.close()
                connection.detach()
                return dict(request)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = pid
            poll.register(pidfd, select.POLLIN)
            _tell(connection, id=request["id"], pid=pid)


def _tell(connection: socket.socket, **said: int) -> None:
    connection.sendall(json.dumps(said).encode() + b"\n")


def run(request: dict[str, Any]) -> None:
    """Become what a new process would be: a session, folder, environment and descriptors of its own; run the module."""
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    importlib.import_module("app.launch.fork").become_new(request["env"], Path(request["cwd"]))
    sys.path[:] = [request["cwd"], *filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep)), *sys.path]
    module, *_ = sys.argv = request["words"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Import, then serve; in a fork: run."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    own_path = list(sys.path)
    sys.path.insert(0, str(ROOT))
    for module in (*COMMANDS, *importlib.import_module("tasks.preload").MODULES):
        importlib.import_module(module)
    sys.path[:] = own_path
    gc.freeze()
    request = serve(connection)
    if request is not None:
        run(request)


if __name__ == "__main__":
    main()
