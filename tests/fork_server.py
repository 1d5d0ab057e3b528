"""The process behind tests/warm.py: it has imported what our processes need, and forks for each module to run.

Its argument is the descriptor of a socket that keeps messages apart. A request comes with descriptors for the output
and the errors of the fork; the answers say when one was started ({"id", "pid"}) and when one has ended ({"pid",
"status"}). It ends with the other end of the socket; the forks live on, as any process would.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import select
import socket
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: What `celery worker` and `celery beat` import beside the modules of tasks/preload.py.
COMMAND = "celery.bin.celery"
MAX_REQUEST_BYTES = 1 << 17


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Fork for each request until the socket's end. Returns None here then, and the request in each fork."""
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
            message, files, *_ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 2)
            if not message:
                return None
            request = json.loads(message)
            pid = os.fork()
            if not pid:
                connection.detach()
                return {**request, "outputs": files}
            for output in files:
                os.close(output)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = pid
            poll.register(pidfd, select.POLLIN)
            _tell(connection, id=request["id"], pid=pid)


def _tell(connection: socket.socket, **said: int) -> None:
    connection.send(json.dumps(said).encode())


def run(request: dict[str, Any]) -> None:
    """Become what a new process would be: a session, folder, environment and descriptors of its own; run the module.

    Ends the process, unless an exception is to be told.
    """
    for number, output in enumerate(request["outputs"], 1):
        os.dup2(output, number)
    cwd, env = request["cwd"], request["env"]
    parent_pid = importlib.import_module("app.launch.child").PARENT_PID
    if parent_pid in env:
        env[parent_pid] = str(os.getppid())
    importlib.import_module("app.launch.fork").become_new(env, Path(cwd))
    sys.path[:] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *sys.path]
    module, *_ = sys.argv = request["words"]
    status: int | None = None
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            raise
        status = stop.code
    _end(status or 0)


def _end(status: int) -> None:
    """Do what an interpreter does at its end, but take nothing apart, for which all the memory would be copied first.

    multiprocessing, and so start.py, ends its forks like this.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    """Import, then serve; in a fork: run."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    own_path = list(sys.path)
    sys.path.insert(0, str(ROOT))
    start = importlib.import_module("start")
    importlib.import_module(COMMAND)
    start.prepare_for_forks()
    sys.path[:] = own_path
    request = serve(connection)
    if request is not None:
        run(request)


if __name__ == "__main__":
    main()
