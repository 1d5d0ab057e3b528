"""The cluster on several hosts: a process each, Redis by TLS behind Sentinels, clocks that differ.

this process ─HTTP─► front (haproxy) ─► api-1, api-2 ─┐
target ◄─HTTP── worker-1 … 3 ────────────────────────┼─TLS─► redis-1 … 3, the master as sentinel-1 … 3 say
                beat-1, beat-2 ──────────────────────┘
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import redis

from app.launch.child import program_command
from app.store.client import connect
from tests.certificates import make_certificates
from tests.redis_acl import PASSWORD, documented_rule
from tests.servers import ModuleProcess, wait_until
from tests.system.chaos.client import Caller
from tests.system.chaos.cluster import API_WORDS, BEAT_WORDS, SETTINGS, Cluster, Member, worker_words
from tests.system.chaos.hosts import Host, Network, environment
from tests.system.chaos.plan import Harm, Harms

WORKERS = ("worker-1", "worker-2", "worker-3")
BEATS = ("beat-1", "beat-2")
APIS = ("api-1", "api-2")
REDISES = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
FRONT = "front"
SLOW_HOST = "worker-3"

#: By host, in seconds: two seconds lie between the first and the last.
CLOCKS = {"worker-1": -1.0, "worker-2": 1.0, "api-1": 1.0, "api-2": -1.0, "beat-1": 1.0, "beat-2": -1.0}
LEASE_SECONDS = 3.0
ADMIN = "admin-of-redis"
WATCHER = "watcher-of-redis"
KEY = "chaos:admin:0123456789abcdef0123456789abcdef"
SERVICE = "prime"
API_PORT, REDIS_PORT, SENTINEL_PORT = 5001, 6379, 26379
#: How old the last word of a replica may be before a master refuses writes, and how long Sentinels wait for a master.
#: The latter must be longer: else a master that was cut off takes writes while another one is being elected.
MAX_LAG_SECONDS = 2
DOWN_AFTER_SECONDS = 4
#: From the death of a master until another takes writes.
FAILOVER_MS = (DOWN_AFTER_SECONDS + 12) * 1000.0

_OUT = (0.5, 4 * LEASE_SECONDS)
#: As in plan.py.
HARMS: Harms = (
    (5, Harm.CUT_OFF, WORKERS, _OUT),
    (2, Harm.CUT_OFF, (*APIS, *BEATS), _OUT),
    (2, Harm.CUT_OFF, REDISES, (6.0, 10.0)),
    (4, Harm.KILL, WORKERS, (0.0, 4.0)),
    (2, Harm.KILL, (*APIS, *BEATS), (0.0, 3.0)),
    (2, Harm.KILL, REDISES, (0.0, 10.0)),
    (1, Harm.KILL, SENTINELS, (0.0, 3.0)),
    (2, Harm.FREEZE, (*WORKERS, *BEATS), _OUT),
    (2, Harm.TERMINATE, WORKERS, (0.0, 1.0)),
    (3, Harm.SLOW, (SLOW_HOST,), (2.0, 8.0)),
)


class HostCluster(Cluster):
    """`folder` has the hosts' files; its path must be short."""

    workers, beats, apis = WORKERS, BEATS, APIS
    services = (FRONT, *REDISES, *SENTINELS)
    has_partitions = True
    skew_ms = (max(CLOCKS.values()) - min(CLOCKS.values())) * 1000

    def __init__(
        self,
        redis_program: Path,
        proxy_program: Path,
        folder: Path,
        logs: Path,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        super().__init__()
        self.lease_seconds = lease_seconds
        self._redis, self._haproxy = redis_program, proxy_program
        self._logs = logs
        self._tls = folder / "certificates"
        self._network = Network(folder / "hosts")
        self.target_address = self._network.address

    def __enter__(self) -> Self:
        self._network.__enter__()
        for name in (*self.services, *APIS, *WORKERS, *BEATS):
            self._network.add(name, is_slow=name == SLOW_HOST)
        self._make_certificates()
        for number, name in enumerate(REDISES):
            self._add_redis(name, is_master=number == 0)
        for name in SENTINELS:
            self._add_sentinel(name)
        self._add_front()
        for name in APIS:
            self._add(name, API_WORDS)
        for name in WORKERS:
            self._add(name, worker_words(name))
        for name in BEATS:
            self._add(name, BEAT_WORDS)
        return self

    def __exit__(self, *error: object) -> None:
        for member in self.members.values():
            if member.lives:
                member.bury()
        self._network.__exit__(*error)

    def start(self) -> None:
        """Redis first: a Sentinel takes its word for who the replicas are."""
        for name in REDISES:
            self[name].start()
        wait_until(lambda: len(self._linked_replicas()) == len(REDISES) - 1, 20, "replicas")
        for name, member in self.members.items():
            if name not in REDISES:
                member.start()

    def caller(self) -> Caller:
        return Caller((self._network.hosts[FRONT].address, 80), KEY.rpartition(":")[2])

    @property
    def redis_url(self) -> str:
        return self._url(f"default:{ADMIN}", str(self._tls))

    def redis_silences(self) -> list[tuple[float, float]]:
        """A failover follows each harm, unless it was to a replica; then the time is too long, which hides nothing."""
        found = []
        for name in REDISES:
            for life in self[name].lives:
                if life.ended_ms is not None:
                    found.append((life.ended_ms, life.ended_ms + FAILOVER_MS))
                found += [(since_ms, until_ms + FAILOVER_MS) for since_ms, until_ms in (*life.cut_off, *life.frozen)]
        return found

    def may_suffer(self, name: str) -> bool:
        """A Redis, only while all replicas have everything: more than one failure at once is promised by nobody."""
        return name not in REDISES or len(self._linked_replicas()) == len(REDISES) - 1

    def master(self) -> str:
        """The name of the host with the present master, as Sentinel says."""
        with closing(connect(self.redis_url)) as client:
            client.ping()
            address = client.connection_pool.get_master_address()[0]
        return next(name for name in REDISES if self._network.hosts[name].address == address)

    def _linked_replicas(self) -> list[str]:
        """The replicas that have all that their master has."""
        linked = []
        for name in REDISES:
            with suppress(redis.RedisError), self.client_of(name) as client:
                if client.info("replication").get("master_link_status") == "up":
                    linked.append(name)
        return linked

    def client_of(self, name: str) -> redis.Redis:
        """A client of one Redis, who may do everything there."""
        files = {"ssl_ca_certs": f"{self._tls}/ca.pem", **_pair(str(self._tls))}
        options: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1, "retry": None, **files}
        address = self._network.hosts[name].address
        return redis.Redis(address, REDIS_PORT, ssl=True, password=ADMIN, decode_responses=True, **options)

    # --- the members ----------------------------------------------------------------------------------

    def _make_certificates(self) -> None:
        """One for all, with each address; every host has its copy."""
        self._tls.mkdir()
        made = make_certificates(self._tls)
        made.sign("host", ",".join(f"IP:{host.address}" for host in self._network.hosts.values()))
        for host in self._network.hosts.values():
            shutil.copytree(self._tls, host.folder / "tls")

    def _add(self, name: str, words: tuple[str, ...]) -> None:
        """One of ours."""
        ahead_seconds = CLOCKS.get(name, 0.0)
        env = {
            **SETTINGS,
            **environment(ahead_seconds),
            "LEASE_SECONDS": f"{self.lease_seconds:g}",
            "REDIS_URL": self._url(f"celeriac:{PASSWORD}", "/tmp/tls"),
            "VAR_DIR": "/tmp/var",
            "HOST": "0.0.0.0",
            "PORT": str(API_PORT),
            "API_KEYS": KEY,
            "API_PROCESSES": "1",
            "RATE_LIMIT": "off",
            "HTTP_ALLOWED_NETWORKS": self._network.network,
        }
        self._add_member(name, words, env, ahead_seconds * 1000)

    def _add_service(self, name: str, command: tuple[str, ...]) -> None:
        self._add_member(name, program_command(*command)[2:], environment())

    def _add_member(self, name: str, words: tuple[str, ...], env: Mapping[str, str], ahead_ms: float = 0.0) -> None:
        host = self._network.hosts[name]
        folder = self._logs / name
        self.members[name] = Member(name, host.words(words), env, folder, host, ahead_ms, ModuleProcess)

    def _add_redis(self, name: str, *, is_master: bool) -> None:
        host = self._network.hosts[name]
        (host.folder / "data").mkdir()
        lines = [
            *("port 0", f"tls-port {REDIS_PORT}", "bind 0.0.0.0", "dir /tmp/data", *_tls_lines()),
            *('save ""', "appendonly yes", "appendfsync always", "repl-diskless-sync-delay 0"),
            *(f"requirepass {ADMIN}", f"masterauth {ADMIN}", f"replica-announce-ip {host.address}"),
            *("min-replicas-to-write 1", f"min-replicas-max-lag {MAX_LAG_SECONDS}", "repl-ping-replica-period 1"),
            f"user celeriac on >{PASSWORD} {' '.join(documented_rule())}",
        ]
        if not is_master:
            lines.append(f"replicaof {self._network.hosts[REDISES[0]].address} {REDIS_PORT}")
        self._write(host, lines)
        self._add_service(name, ("/tmp/redis-server", "/tmp/server.conf"))

    def _add_sentinel(self, name: str) -> None:
        host = self._network.hosts[name]
        (host.folder / "data").mkdir()
        master = self._network.hosts[REDISES[0]].address
        lines = [
            *("port 0", f"tls-port {SENTINEL_PORT}", "bind 0.0.0.0", "dir /tmp/data", *_tls_lines()),
            *(f"requirepass {WATCHER}", f"sentinel sentinel-pass {WATCHER}", f"sentinel announce-ip {host.address}"),
            *(f"sentinel monitor {SERVICE} {master} {REDIS_PORT} 2", f"sentinel auth-pass {SERVICE} {ADMIN}"),
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_SECONDS * 1000}",
            f"sentinel failover-timeout {SERVICE} 6000",
        ]
        self._write(host, lines)
        self._add_service(name, ("/tmp/redis-server", "/tmp/server.conf", "--sentinel"))

    def _add_front(self) -> None:
        host = self._network.hosts[FRONT]
        (host.folder / "haproxy.cfg").write_text(
            "defaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n"
            "  retries 1\n  option redispatch\n"
            "listen api\n  bind *:80\n  option httpchk GET /health/live\n"
            "  default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions\n"
            + "".join(f"  server {name} {self._network.hosts[name].address}:{API_PORT}\n" for name in APIS)
        )
        self._add_service(FRONT, (str(self._haproxy), "-db", "-f", "/tmp/haproxy.cfg"))

    def _write(self, host: Host, lines: list[str]) -> None:
        (host.folder / "server.conf").write_text("\n".join([*lines, ""]))
        (host.folder / "redis-server").symlink_to(self._redis.resolve())  # the program acts as it is called

    def _url(self, who: str, tls: str) -> str:
        nodes = ",".join(f"{self._network.hosts[name].address}:{SENTINEL_PORT}" for name in SENTINELS)
        query = urlencode({"sentinel_password": WATCHER, "ssl_ca_certs": f"{tls}/ca.pem", **_pair(tls)}, safe="/")
        return f"sentinels://{who}@{nodes}/{SERVICE}?{query}"


def _pair(tls: str) -> dict[str, str]:
    return {"ssl_certfile": f"{tls}/host.pem", "ssl_keyfile": f"{tls}/host.key"}


def _tls_lines() -> Iterator[str]:
    yield from ("tls-ca-cert-file /tmp/tls/ca.pem", "tls-auth-clients yes", "tls-replication yes")
    yield from ("tls-cert-file /tmp/tls/host.pem", "tls-key-file /tmp/tls/host.key")
