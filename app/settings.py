"""Every setting in one table: environment variable, default, bounds and help.

Only `read_settings` reads the environment, once. An invalid value stops the process at start with a message that names
the variable (`SettingsError`). Names carry their unit. Lists are comma-separated.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import ipaddress
import json
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from app import redis_tls, sentinel_url
from app.domain.cron import load_zone
from app.domain.errors import InvalidSpec
from app.domain.quota import Action, Quota, Quotas, parse_quotas
from app.domain.short_names import is_short_name
from app.domain.url import check_url
from app.domain.webhooks import WebhookSecret
from app.sentinel_url import is_sentinel, parse_sentinel_url

if TYPE_CHECKING:  # pydantic comes with them: who sets none of these settings, and checks no spec, does without
    from app.domain.alerts.rule import ScheduleAlert
    from app.domain.channels.parse import NamedChannel

#: The exit status of the API, a worker or a beat with wrong settings: starting it again would not help.
EXIT_BAD_SETTINGS = 2

SCOPES = ("read", "write", "admin")  # each includes the rights of those before it
MIN_KEY_LENGTH = 32
#: The quotas of a service that other machines can reach, unless RATE_LIMIT says otherwise.
PUBLIC_QUOTAS: Quotas = {Action.READ: Quota(2_000, 10), Action.WRITE: Quota(1_000, 10)}
#: By default. One Redis executes fewer creations than so many processes can send.
MOST_API_PROCESSES = 8
#: `quota period` in µs for the processes of a container, or `max period`.
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
#: Each of them may add a hundred lines or so to the metrics.
MOST_METRICS_TAGS = 5
DURABILITIES = ("everysec", "always")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SANDBOX_LAYERS = (
    "process",
    "user",
    "namespaces",
    "root",
    "seccomp",
    "landlock",
    "landlock_tcp",
    "landlock_scope",
    "no_exec_memory",
    "rlimits",
    "no_new_privs",
)

REDIS_SCHEMES = ("redis", redis_tls.TLS_SCHEME, "unix", sentinel_url.SCHEME, sentinel_url.TLS_SCHEME)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ROOT = Path(__file__).resolve().parent.parent
#: Names of the folders into which packages are installed.
PACKAGE_FOLDERS = ("site-packages", "dist-packages")


class SettingsError(ValueError):
    """A setting has an invalid value. The message names the variable and the reason."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One entry of API_KEYS. `secret` is kept only until it is hashed."""

    name: str
    scope: str
    secret: str = dataclasses.field(repr=False)


# --- typed readers: text -> value, or a ValueError with the reason -------------------------


def _number(text: str, *, low: float, high: float, whole: bool = True) -> Any:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"must be a {'whole ' if whole else ''}number") from None
    if not low <= value <= high:
        raise ValueError(f"must be between {low:g} and {high:g}")
    return value


def _choice(text: str, *, among: tuple[str, ...]) -> str:
    for option in among:
        if text.strip().lower() == option.lower():
            return option
    raise ValueError(f"must be one of {', '.join(among)}")


def _timezone(text: str) -> str:
    load_zone(text)  # the same data that schedules use; its error is a ValueError
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _layers(text: str) -> tuple[str, ...]:
    if text.strip().lower() == "none":
        return ()
    words = _words(text)
    if not words:
        raise ValueError("must name layers, or be none")
    return tuple("|".join(_choice(name, among=SANDBOX_LAYERS) for name in word.split("|")) for word in words)


def _modules(text: str) -> tuple[str, ...]:
    """Without importing them: that is left to the sandbox, in a process of its own."""
    names = _words(text)
    for name in names:
        top, *below = name.split(".")
        if not all(map(str.isidentifier, (top, *below))) or importlib.util.find_spec(top) is None:
            raise ValueError(f"must be a list of modules that are installed; {name[:64]} is none")
    return names


def _origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(word.lower()) for word in _words(text))


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"must be a list of origins like https://tasks.example:8443; {text} is none")
    return text


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
        if not re.fullmatch("[!-~]*", secret):  # no header could carry it; it may be several lines that lack commas
            raise ValueError(
                f"entry {number} ({name}): the key must be printable ASCII without blanks; commas separate the entries"
            )
        if len(secret) < MIN_KEY_LENGTH:
            raise ValueError(f"entry {number} ({name}): the key must have at least {MIN_KEY_LENGTH} characters")
        keys.append(ApiKey(name, scope, secret))
    if len({key.name for key in keys}) != len(keys):
        raise ValueError("two keys have the same name")
    return tuple(keys)


def _webhook_secrets(text: str) -> tuple[WebhookSecret, ...]:
    secrets = []
    for number, word in enumerate(_words(text), start=1):
        try:
            secrets.append(WebhookSecret.parse(word))
        except ValueError as error:
            raise ValueError(f"entry {number} {error}") from None
    return tuple(secrets)


def _alert_default(text: str) -> ScheduleAlert:
    from app.domain.alerts.rule import ScheduleAlert
    from app.domain.spec import parsed

    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    try:
        return parsed(ScheduleAlert, raw)
    except InvalidSpec as error:
        raise ValueError("; ".join(f"{found.field or 'it'} {found.message}" for found in error.problems)) from None


def _channel_names(text: str) -> tuple[str, ...]:
    names = _words(text)
    for name in names:
        if not is_short_name(name):
            raise ValueError(f"must be a list of names of channels; {name[:64]} is none")
    return tuple(dict.fromkeys(names))  # each is told once, however often it is named


def _tag_names(text: str) -> tuple[str, ...]:
    names = _words(text)
    if len(names) > MOST_METRICS_TAGS:
        raise ValueError(f"must be a list of at most {MOST_METRICS_TAGS} names")
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", name):
            raise ValueError(
                f"must be a list of names of at most 32 letters, digits and _.-; {name[:64]} is none: "
                "for tags such as team:payments it is team"
            )
    return names


def _heartbeat_url(text: str) -> str:
    if text:
        check_url(text)
    return text


def _proxy_url(text: str) -> str:
    """As the workers' route through it will read it. The value is not told: it may hold a password."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bad port, or half an IPv6 address
        is_usable = False
    if not is_usable:
        raise ValueError("must be http(s)://[user:password@]host[:port]")
    return text


def _public_url(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be a URL like https://tasks.example, without query and fragment")
    if len(text) > 500 or not text.isprintable() or " " in text or "@" in parts.netloc:
        raise ValueError("must be a URL of at most 500 characters, without spaces, user or password")
    return text


def _channels_file(text: str) -> tuple[NamedChannel, ...]:
    from app.domain.channels.parse import MAX_FILE_BYTES, read_channels

    path = _path(text)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path} must have at most {MAX_FILE_BYTES} bytes")
    try:
        return read_channels(content.decode())
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _redis_url(text: str) -> str:
    if text and text.partition("://")[0].lower() not in REDIS_SCHEMES:
        raise ValueError(f"must begin with {', '.join(scheme + '://' for scheme in REDIS_SCHEMES)}")
    if is_sentinel(text):
        parse_sentinel_url(text)  # its error is a ValueError
    else:
        _check_redis_address(text)
        redis_tls.tls_of(text)  # the same
    return text


def _check_redis_address(text: str) -> None:
    before_query = text.partition("://")[2].partition("?")[0]
    is_cut = not text.startswith("unix:") and "@" in before_query and "@" not in before_query.partition("/")[0]
    if "#" in text or is_cut:  # the host would be the beginning of the password
        raise ValueError("must have %23 for a #, %2F for a / and %3F for a ? in its password")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it is an error if it is no port
    except ValueError:
        raise ValueError("must have a host, and a port from 0 to 65535: redis://host:6379/0") from None
    is_socket = parts.scheme == "unix"
    databases = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "db"]
    if not is_socket and parts.path.strip("/"):
        databases.append(parts.path.strip("/"))
    if not all(database.isdecimal() for database in databases):
        raise ValueError(f"must have a number as the database: {'?db=0' if is_socket else 'redis://host:6379/0'}")


def _ca_bundle(text: str) -> str:
    if not text:
        return text
    path = _path(text)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError(f"{path} is not a PEM file with certificates") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    return str(path)


def absolute_paths(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The variables with paths, made absolute as `settings` has read them: for processes that run in another folder."""
    found = {"VAR_DIR": str(settings.var_dir)}
    for name in ("CHANNELS_FILE", "HTTP_CA_BUNDLE"):
        if text := environ.get(name, "").strip():
            found[name] = str(_path(text))
    return found


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError as error:  # of ~name, where there is no such user
        raise ValueError(f"{text} can't be found: {error}") from None


def _cores() -> int:
    """The cores that this process may use: those that it may run on, unless a container gets less time than that."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CGROUP_QUOTA.read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such limit, or "max"
        return cores


# --- the table -------------------------------------------------------------------------------------

_positive = partial(_number, low=1, high=1_000_000_000)
_seconds = partial(_number, low=0.1, high=315_360_000, whole=False)


def _setting(default: Any, read: Callable[[str], Any], help: str) -> Any:
    return dataclasses.field(default=default, metadata={"read": read, "help": help})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the service. The field `redis_url` is read from the variable `REDIS_URL`, and so on."""

    host: str = _setting(
        "127.0.0.1",
        str,
        "Address the API binds to. Any address but loopback requires a key. Workers and beats need the same value: "
        "with a loopback address, they let tasks call private addresses.",
    )
    port: int = _setting(5001, partial(_number, low=1, high=65535), "Port the API binds to.")
    api_keys: tuple[ApiKey, ...] = _setting(
        (),
        _api_keys,
        "API keys: a list of `name:scope:key`. Scope: `read`, `write` or `admin`; key: at least 32 characters, "
        "printable ASCII without blanks. `start.py keys` manages others, without a restart.",
    )
    rate_limit: Quotas | None = _setting(
        None,
        parse_quotas,
        "Calls that each key, or each address without a valid key, may make: `read:2000/10,write:1000/10` means 2,000 "
        "calls that read and 1,000 others in 10 seconds. `off`: any number.",
    )
    allowed_origins: tuple[str, ...] = _setting(
        (),
        _origins,
        "Origins whose pages may change something, in addition to the host that is called: a list such as "
        "`https://tasks.example`. For a proxy that does not forward `Host`.",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (),
        _networks,
        "Networks of proxies whose `X-Forwarded-For` is believed, so that rate limits and the audit know where a call "
        "came from (`10.0.0.0/8`).",
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        _origins,
        "Origins whose pages may call the API from a browser (CORS): a list such as `https://tasks.example`.",
    )
    api_processes: int = _setting(
        min(_cores(), MOST_API_PROCESSES),
        partial(_number, low=1, high=64),
        "Processes that serve requests, of some 35 MB each. The default is one for each core that this process may "
        f"use, and at most {MOST_API_PROCESSES}.",
    )
    api_threads: int = _setting(
        128,
        partial(_number, low=4, high=1024),
        "Threads of each API process. Each `wait` in progress and each open event stream occupies one; 16 (of "
        "fewer than 32, half) are reserved for other requests.",
    )
    max_event_streams: int = _setting(
        64,
        partial(_number, low=0, high=1024),
        "Event streams that one API process keeps open, within the limit that `API_THREADS` sets; more are refused "
        "with 503.",
    )
    redis_url: str = _setting(
        "",
        _redis_url,
        "Redis or Valkey, 6.2 or newer: `redis://`, `rediss://`, `unix://`, `sentinel://` or `sentinels://`. If empty, "
        "docs/redis.md says which is used.",
    )
    durability: str = _setting(
        "everysec",
        partial(_choice, among=DURABILITIES),
        "When the embedded server writes to disk: `everysec` (once a second) or `always` (before each reply).",
    )
    var_dir: Path = _setting(ROOT / "var", _path, "Folder for the data, socket and log of the embedded server.")
    timezone: str = _setting("UTC", _timezone, "Time zone of scheduled tasks that do not name one.")
    log_level: str = _setting("INFO", partial(_choice, among=LOG_LEVELS), "`DEBUG`, `INFO`, `WARNING` or `ERROR`.")
    log_format: str = _setting(
        "text", partial(_choice, among=("text", "json")), "`text` for people, `json` for machines."
    )
    log_tasks: str = _setting(
        "all",
        partial(_choice, among=("all", "failures")),
        "`failures` leaves out the lines of each task that is created, starts and succeeds, and of each delivery that "
        "succeeds.",
    )
    tracing: str = _setting(
        "off",
        partial(_choice, among=("off", "on")),
        "`on` sends traces to the OpenTelemetry collector that the standard variables `OTEL_…` name (docs/tracing.md).",
    )
    code_concurrency: int = _setting(
        2 * _cores(),
        partial(_number, low=1, high=256),
        "Code tasks that one worker runs at the same time. The default is two for each core that this process may use.",
    )
    api_concurrency: int = _setting(
        200, partial(_number, low=1, high=2000), "API tasks that one worker runs at the same time."
    )
    countdown_horizon: float = _setting(
        5.0,
        partial(_number, low=1, high=60, whole=False),
        "A task due within this many seconds is handed to a worker as a countdown; a later one waits in Redis.",
    )
    lease_seconds: float = _setting(
        15.0,
        partial(_number, low=1, high=600, whole=False),
        "Seconds that a worker may be silent before its running attempts count as lost. It renews leases three times "
        "as often.",
    )
    shutdown_grace: float = _setting(
        30.0,
        partial(_number, low=0, high=3600, whole=False),
        "Seconds that running attempts get to finish when a worker receives SIGTERM; then they return to their queue. "
        "Unless set, 3 under `python start.py`.",
    )
    result_ttl: float = _setting(604_800.0, _seconds, "Seconds for which a finished task is kept (default: 7 days).")
    max_finished_tasks: int = _setting(
        1_000_000, _positive, "Maximum number of finished tasks to keep; those that finished first are removed first."
    )
    max_queued_tasks: int = _setting(
        1_000_000, _positive, "Maximum number of queued and waiting tasks; more are refused with 503."
    )
    max_body_bytes: int = _setting(
        1_048_576, partial(_number, low=1024, high=67_108_864), "Maximum size of a request body in bytes."
    )
    sandbox_memory_bytes: int = _setting(
        268_435_456,
        partial(_number, low=33_554_432, high=17_179_869_184),
        "Maximum memory of one run of a program in bytes (default: 256 MiB).",
    )
    sandbox_result_bytes: int = _setting(
        1_048_576, partial(_number, low=1024, high=67_108_864), "Maximum size of a result in bytes, as JSON."
    )
    sandbox_stdout_bytes: int = _setting(
        262_144,
        partial(_number, low=0, high=67_108_864),
        "Bytes of output to keep; if more is cut off, the task says so.",
    )
    sandbox_require: tuple[str, ...] = _setting(
        ("seccomp", "landlock|root"),
        _layers,
        "Layers of the sandbox without which a worker refuses code tasks. Of layers that are separated by a bar, one "
        f"is enough; `none` requires nothing. Layers: {', '.join(SANDBOX_LAYERS)}.",
    )
    sandbox_extra_modules: tuple[str, ...] = _setting(
        (), _modules, "Additional modules that programs may import, complete and unguarded: **at your own risk**."
    )
    http_response_bytes: int = _setting(
        1_048_576,
        partial(_number, low=1024, high=67_108_864),
        "Bytes of a decoded response body to keep.",
    )
    http_allowed_networks: tuple[Network, ...] = _setting(
        (),
        _networks,
        "Loopback, private or special networks that API tasks may call nevertheless (`10.0.0.0/8,::1/128`).",
    )
    http_denied_networks: tuple[Network, ...] = _setting(
        (), _networks, "Networks that API tasks may never call, even if allowed."
    )
    http_allowed_ports: tuple[int, ...] = _setting((), _ports, "Ports that API tasks may call. If empty, all.")
    http_proxy_url: str = _setting(
        "", _proxy_url, "Proxy for all API tasks. The proxy, not Celeriac, then decides which addresses may be called."
    )
    alert_default: ScheduleAlert | None = _setting(
        None,
        _alert_default,
        'Alert rule of the scheduled tasks that have none, as JSON: `{"channels": ["ops"], "after_failures": 2}`.',
    )
    alert_channels: tuple[str, ...] = _setting(
        (),
        _channel_names,
        "Channels that are told of troubles of the service itself, and of their end: a list of names.",
    )
    queue_late_after: float = _setting(
        300.0, _seconds, "Seconds that the oldest task of a queue may wait before `ALERT_CHANNELS` are told."
    )
    heartbeat_url: str = _setting(
        "",
        _heartbeat_url,
        "URL that beat calls (GET) each minute while all is well, for a watcher outside such as healthchecks.io.",
    )
    public_url: str = _setting(
        "", _public_url, "Where people reach the console (`https://tasks.example`), for the links in notices."
    )
    channels_file: tuple[NamedChannel, ...] = _setting(
        (),
        _channels_file,
        "TOML file with channels for notices, in addition to those of `/api/channels`. It is read at start.",
    )
    metrics_access: str = _setting(
        "key",
        partial(_choice, among=("key", "open")),
        "Who may read `/metrics`: `key`: whoever may read tasks; `open`: everybody who can reach the API.",
    )
    metrics_tags: tuple[str, ...] = _setting(
        (),
        _tag_names,
        "Tags by whose values `/metrics` counts finished tasks: with `team`, a task with the tag `team:payments` "
        "counts for `payments`.",
    )
    http_ca_bundle: str = _setting(
        "", _ca_bundle, "PEM file of additional certificate authorities that API tasks trust."
    )
    callback_secrets: tuple[WebhookSecret, ...] = _setting(
        (),
        _webhook_secrets,
        "Secrets that sign callbacks: a list of `whsec_…` (24 to 64 bytes in base64), one signature for each. If "
        "empty, callbacks are not signed.",
    )
    callback_concurrency: int = _setting(
        20, partial(_number, low=1, high=500), "Callbacks and notices that one worker sends at the same time."
    )
    callback_timeout: float = _setting(
        15.0,
        partial(_number, low=1, high=60, whole=False),
        "Seconds that one try to deliver a callback or a notice may take.",
    )
    delivery_ttl: float = _setting(
        604_800.0, _seconds, "Seconds for which a delivery is kept after it was created, unless it is pending (7 days)."
    )
    max_deliveries: int = _setting(
        100_000,
        _positive,
        "Maximum number of deliveries to keep; the oldest that have ended are removed first, then the oldest.",
    )

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine can reach the API."""
        return is_loopback(self.host)

    @property
    def quotas(self) -> Quotas:
        """The quotas that apply: those of RATE_LIMIT, or, if it is not set, PUBLIC_QUOTAS except on loopback."""
        if self.rate_limit is not None:
            return self.rate_limit
        return {} if self.loopback_only else PUBLIC_QUOTAS


def is_loopback(host: str) -> bool:
    """Whether an API bound to `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def data_folder(root: Path, environ: Mapping[str, str]) -> Path:
    """The default of VAR_DIR: `var` in Celeriac's folder `root`, or, if that is one of packages, the user's own.

    The latter is `celeriac` in XDG_STATE_HOME, whose default is `~/.local/state`.
    """
    if root.name not in PACKAGE_FOLDERS:
        return root / "var"
    state_home = environ.get("XDG_STATE_HOME", "")
    if Path(state_home).is_absolute():  # the XDG specification has relative ones ignored
        return Path(state_home) / "celeriac"
    try:
        return Path("~/.local/state/celeriac").expanduser()
    except RuntimeError:  # a user without a home folder
        return Path("/var/lib/celeriac")


def read_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read all settings. `overrides` (from the command line) take precedence over the environment.

    Raises SettingsError, which names every variable with an invalid value.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {"var_dir": data_folder(ROOT, environ)}
    problems = []
    for field in dataclasses.fields(Settings):
        # Files and secrets of other systems leave blanks: `PORT=5001 ` of an env file, the line end of a secret.
        text = environ.get(field.name.upper(), "").strip()
        if text == "":
            continue
        try:
            values[field.name] = field.metadata["read"](text)
        except ValueError as error:
            problems.append(f"{field.name.upper()} {error}")
    if problems:
        raise SettingsError("; ".join(problems))
    values.update({name: value for name, value in overrides.items() if value is not None})
    return Settings(**values)
