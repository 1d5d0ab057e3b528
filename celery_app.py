"""The Celery instance, `celery`, and its configuration.

`celery -A celery_app worker` and `celery -A celery_app beat` find it here. Tasks are named by string: this
module is imported by the API too, which runs none of them. Importing it connects to nothing.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit, urlunsplit

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.objects import cached_property

from app import logs
from app.domain.kinds import KINDS, QUEUES
from app.launch.redis_location import require_redis_url
from app.redis_tls import tls_of
from app.sentinel_url import is_sentinel, parse_sentinel_url
from app.settings import EXIT_BAD_SETTINGS, Settings, SettingsError, read_settings
from app.store.keys import PREFIX, PRIORITIES

#: Without bookkeeping of unacknowledged messages a worker drains three times as fast; the record makes up for
#: it (docs/decisions/0002). All keys of kombu's start with our prefix.
TRANSPORT_OPTIONS: dict[str, Any] = {
    "ack_emulation": False,
    "global_keyprefix": PREFIX,
    "priority_steps": list(range(PRIORITIES)),
    "queue_order_strategy": "round_robin",
    # A server that hangs: no call waits for ever, and a question (BRPOP, a second) that gets no answer is given up
    # within 1 + 2 × 2 seconds.
    "socket_timeout": 3,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 2,
    "max_connections": 64,
}
#: kombu's names of transports -> ours, which do the same and say what the consumer does.
TRANSPORTS = {
    "redis": "tasks.celery_seam.transport:Transport",
    "rediss": "tasks.celery_seam.transport:Transport",
    "sentinel": "tasks.celery_seam.transport:SentinelTransport",
}


def broker_url(settings: Settings) -> str:
    """The Redis that Celery uses, the same one as every other process (app/launch/redis_location.py)."""
    return require_redis_url(settings)


def kombu_url(url: str) -> str:
    """redis-py's URL as kombu reads it: another scheme for a socket, and other places for what the query may hold."""
    if is_sentinel(url):
        return parse_sentinel_url(url).as_kombu()
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    parts = parts._replace(netloc=_netloc(parts, query))
    database = query.get("db")
    if parts.scheme == "unix":
        host = f"redis+socket://{parts.netloc}{parts.path}"  # netloc: a user and a password
        return f"{host}?virtual_host={database}" if database else host
    if database:  # it comes before the path, as in redis-py
        parts = parts._replace(path=f"/{database}")
    return urlunsplit(parts._replace(query=""))


def _netloc(parts: SplitResult, query: Mapping[str, str]) -> str:
    """The host with user and password. As in redis-py, they may stand in the query; those before the host win."""
    user = parts.username or quote(query.get("username", ""), safe="")
    password = parts.password or quote(query.get("password", ""), safe="")
    host = parts.netloc.rpartition("@")[2]
    return f"{user}:{password}@{host}" if user or password else host


def transport_options(url: str) -> dict[str, Any]:
    """The options for the broker at `url`."""
    if not is_sentinel(url):
        return TRANSPORT_OPTIONS
    parts = parse_sentinel_url(url)
    sentinels = parts.sentinel_options(timeout_seconds=0.5)
    return {**TRANSPORT_OPTIONS, "master_name": parts.service, "sentinel_kwargs": sentinels}


def tls_options(url: str) -> dict[str, Any] | None:
    """kombu's TLS options for the broker at `url`; None without TLS. Without any, kombu would check no certificate."""
    tls = parse_sentinel_url(url).tls if is_sentinel(url) else tls_of(url)
    return None if tls is None else tls.options()


def configuration() -> dict[str, Any]:
    """Celery's configuration, read when it is first needed. Ends the process, in a sentence, where there is none."""
    try:
        settings = read_settings()
        url = broker_url(settings)
    except SettingsError as error:
        sys.stderr.write(f"celeriac can't start: {error}\n")
        raise SystemExit(EXIT_BAD_SETTINGS) from None
    return {
        "broker_url": kombu_url(url),
        "broker_transport_options": transport_options(url),
        "broker_use_ssl": tls_options(url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,  # a server that refuses may be full, or a replica, for a while
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_queues": [Queue(name, Exchange(""), routing_key=name) for name in QUEUES.values()],
        "task_acks_late": True,  # a message counts as held until its attempt has ended: no worker hoards
        "worker_pool": "threads",
        "worker_consumer": "tasks.celery_seam.consumer:Consumer",
        "worker_concurrency": sum(row.concurrency(settings) for row in KINDS.values()),
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "imports": ["tasks.execute"],
        "beat_scheduler": "tasks.beat:StoreScheduler",
        "timezone": "UTC",
        "enable_utc": True,
    }


# Programs run as nobody in the sandbox, whoever runs the worker; in a container that is often root.
warnings.filterwarnings("ignore", category=SecurityWarning)

TRANSPORT_ALIASES.update(TRANSPORTS)

# Celery's commands put the current folder into the path, and take it out again once this module is imported. But the
# transports above, and the tasks, are imported later. A second entry stays.
sys.path.append(str(Path(__file__).resolve().parent))


class CeleryWithOurBeat(Celery):
    """Celery, but for the program of beat."""

    @cached_property
    def Beat(self) -> type:  # noqa: N802  Celery's name
        """The class that `celery beat` makes an instance of."""
        return cast(type, self.subclass_with_self("tasks.celery_seam.beat:Beat"))


celery = CeleryWithOurBeat("celeriac")
celery.add_defaults(configuration)


@setup_logging.connect
def _configure_logging(logfile: str | None = None, **_: Any) -> None:
    """Celery's processes log in our form, to the file that `-f` names; a receiver keeps Celery from its own set-up."""
    try:
        logs.configure(read_settings(), logfile)
    except OSError as error:
        sys.stderr.write(f"celeriac can't start: {logfile} can't be opened for the log: {error.strerror}\n")
        raise SystemExit(EXIT_BAD_SETTINGS) from None
