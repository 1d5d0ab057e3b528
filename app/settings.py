"""Every setting, in one table: its environment variable, default, bounds and help.

The environment is read here and nowhere else, once, by `read_settings`. A value that can't be
right stops the process at start with a sentence that names the variable (`SettingsError`).
Names carry their unit where they have one. A list is comma-separated.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.domain.cron import load_zone
from app.sentinel_url import SCHEME, is_sentinel, parse_sentinel_url

SCOPES = ("read", "write", "admin")  # each may do what those before it may
MIN_KEY_LENGTH = 32
DURABILITIES = ("everysec", "always")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SANDBOX_LAYERS = ("process", "user", "namespaces", "root", "seccomp", "landlock", "rlimits", "no_new_privs")

REDIS_SCHEMES = ("redis", "rediss", "unix", SCHEME)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ROOT = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A setting's value can't be used; the message names the variable and says why."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One entry of API_KEYS. `secret` is kept only until it has been hashed."""

    name: str
    scope: str
    secret: str = dataclasses.field(repr=False)


# --- typed readers: text -> value, or a ValueError that says what is wrong -------------------------


def _number(text: str, *, low: float, high: float, whole: bool = True) -> Any:
    value = int(text) if whole else float(text)
    if not low <= value <= high:
        raise ValueError(f"must be between {low:g} and {high:g}")
    return value


def _choice(text: str, *, among: tuple[str, ...]) -> str:
    for option in among:
        if text.strip().lower() == option.lower():
            return option
    raise ValueError(f"must be one of {', '.join(among)}")


def _timezone(text: str) -> str:
    load_zone(text)  # of the same data by which schedules fire; its error is a ValueError
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _layers(text: str) -> tuple[str, ...]:
    return tuple(_choice(word, among=SANDBOX_LAYERS) for word in _words(text))


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word, strict=False) for word in _words(text))


def _ports(text: str) -> tuple[int, ...]:
    return tuple(_number(word, low=1, high=65535) for word in _words(text))


def _api_keys(text: str) -> tuple[ApiKey, ...]:
    keys = []
    for number, entry in enumerate(_words(text), start=1):
        parts = entry.split(":", 2)
        if len(parts) != 3 or not parts[0]:
            raise ValueError(f"entry {number} is not name:scope:key")
        name, scope, secret = parts
        if scope not in SCOPES:
            raise ValueError(f"entry {number} ({name}): the scope must be one of {', '.join(SCOPES)}")
        if len(secret) < MIN_KEY_LENGTH:
            raise ValueError(f"entry {number} ({name}): the key must have at least {MIN_KEY_LENGTH} characters")
        keys.append(ApiKey(name, scope, secret))
    if len({key.name for key in keys}) != len(keys):
        raise ValueError("two keys have the same name")
    return tuple(keys)


def _redis_url(text: str) -> str:
    if text and urlsplit(text).scheme not in REDIS_SCHEMES:
        raise ValueError(f"must begin with {', '.join(scheme + '://' for scheme in REDIS_SCHEMES)}")
    if is_sentinel(text):
        parse_sentinel_url(text)  # its error is a ValueError
    return text


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


# --- the table -------------------------------------------------------------------------------------

_positive = partial(_number, low=1, high=1_000_000_000)
_seconds = partial(_number, low=0.1, high=315_360_000, whole=False)


def _setting(default: Any, read: Callable[[str], Any], help: str) -> Any:
    return dataclasses.field(default=default, metadata={"read": read, "help": help})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service was told. A field `redis_url` is read from the variable `REDIS_URL`."""

    host: str = _setting("127.0.0.1", str, "Address the API binds to. Any but a loopback one needs `API_KEYS`.")
    port: int = _setting(5001, partial(_number, low=1, high=65535), "Port the API binds to.")
    api_keys: tuple[ApiKey, ...] = _setting(
        (),
        _api_keys,
        "Who may call: a list of `name:scope:key`; scope `read`, `write` or `admin`; key of 32 characters.",
    )
    api_threads: int = _setting(
        128,
        partial(_number, low=4, high=1024),
        "Threads that serve requests. Each held `wait` takes one; all but 16 may.",
    )
    redis_url: str = _setting(
        "",
        _redis_url,
        'Redis or Valkey, 6.2 or newer: `redis://`, `rediss://`, `unix://`, `sentinel://`. Empty: see "Which Redis".',
    )
    durability: str = _setting(
        "everysec",
        partial(_choice, among=DURABILITIES),
        "When the embedded server writes to disk: `everysec`, or `always`, before each answer.",
    )
    var_dir: Path = _setting(ROOT / "var", _path, "Folder of the embedded server: its data, socket and log.")
    timezone: str = _setting("UTC", _timezone, "Time zone of a cron expression that names none.")
    log_level: str = _setting("INFO", partial(_choice, among=LOG_LEVELS), "`DEBUG`, `INFO`, `WARNING` or `ERROR`.")
    log_format: str = _setting(
        "text", partial(_choice, among=("text", "json")), "`text` for people, `json` for machines."
    )
    code_concurrency: int = _setting(
        2 * (os.cpu_count() or 1),
        partial(_number, low=1, high=256),
        "Code tasks that one worker runs at once. Default: two per core.",
    )
    api_concurrency: int = _setting(200, partial(_number, low=1, high=2000), "API tasks that one worker runs at once.")
    countdown_horizon: float = _setting(
        5.0,
        partial(_number, low=1, high=60, whole=False),
        "Seconds. A delay shorter than this goes to a worker at once, by countdown; a longer one waits in Redis.",
    )
    lease_seconds: float = _setting(
        15.0,
        partial(_number, low=1, high=600, whole=False),
        "Seconds a worker may be silent before its running attempts count as lost. Renewed three times as often.",
    )
    shutdown_grace: float = _setting(
        30.0,
        partial(_number, low=0, high=3600, whole=False),
        "Seconds that running attempts have to end when a worker is told to (SIGTERM); then they are given back to "
        "their queue. Under `python start.py` 3, unless it is set.",
    )
    result_ttl: float = _setting(604_800.0, _seconds, "Seconds a finished task is kept (default: 7 days).")
    max_finished_tasks: int = _setting(1_000_000, _positive, "Finished tasks that are kept; the oldest go first.")
    max_queued_tasks: int = _setting(
        1_000_000, _positive, "Tasks that may wait, queued or for a time to come; more are refused with 503."
    )
    max_body_bytes: int = _setting(
        1_048_576, partial(_number, low=1024, high=67_108_864), "Bytes a request's body may have."
    )
    sandbox_memory_bytes: int = _setting(
        268_435_456,
        partial(_number, low=33_554_432, high=17_179_869_184),
        "Bytes of memory that one run of a program may have (256 MiB).",
    )
    sandbox_result_bytes: int = _setting(
        1_048_576, partial(_number, low=1024, high=67_108_864), "Bytes that a result may have, as JSON."
    )
    sandbox_stdout_bytes: int = _setting(
        262_144,
        partial(_number, low=0, high=67_108_864),
        "Bytes of output that are kept; the rest is cut and the task says so.",
    )
    sandbox_require: tuple[str, ...] = _setting(
        (),
        _layers,
        f"Layers of the sandbox without which a worker refuses to start: a list of {', '.join(SANDBOX_LAYERS)}.",
    )
    sandbox_extra_modules: tuple[str, ...] = _setting(
        (), _words, "Further modules that programs may import, whole and unguarded: **at your own risk**."
    )
    http_response_bytes: int = _setting(
        1_048_576,
        partial(_number, low=1024, high=67_108_864),
        "Bytes of an answer's body that are kept, after decoding.",
    )
    http_allowed_networks: tuple[Network, ...] = _setting(
        (),
        _networks,
        "Networks API tasks may reach although they are loopback, private or special (`10.0.0.0/8,::1/128`).",
    )
    http_denied_networks: tuple[Network, ...] = _setting(
        (), _networks, "Networks API tasks may never reach; stronger than allowed ones."
    )
    http_allowed_ports: tuple[int, ...] = _setting((), _ports, "Ports API tasks may call. Empty: all.")
    http_proxy_url: str = _setting(
        "", str, "A proxy for all API tasks. It then decides which addresses may be reached, not Celeriac."
    )
    http_ca_bundle: str = _setting("", str, "File of further certificate authorities (PEM) that API tasks trust.")

    @property
    def loopback_only(self) -> bool:
        """Whether the API can be reached from this machine alone."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether binding to `host` serves this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read all settings; `overrides` (from a command line) win over the environment.

    Raises SettingsError, naming every variable with a bad value.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems = []
    for field in dataclasses.fields(Settings):
        text = environ.get(field.name.upper())
        if text is None or (text == "" and field.default != ""):
            continue
        try:
            values[field.name] = field.metadata["read"](text)
        except ValueError as error:
            problems.append(f"{field.name.upper()} {error}")
    if problems:
        raise SettingsError("; ".join(problems))
    values.update({name: value for name, value in overrides.items() if value is not None})
    settings = Settings(**values)
    if not settings.loopback_only and not settings.api_keys:
        raise SettingsError(f"HOST is {settings.host}: to serve more than this machine, set API_KEYS")
    return settings
