"""A Redis and its Sentinel by TLS: what is checked, by the store and by Celery alike."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from kombu import Connection
from kombu.exceptions import OperationalError

from app.domain.errors import Unavailable
from app.launch.backup import command
from app.launch.backup.file import BackupFile
from app.settings import SettingsError, read_settings
from app.store.client import connect
from app.store.store import Store
from celery_app import kombu_url, tls_options, transport_options
from tests.certificates import Certificates, make_certificates
from tests.servers import CeleryProcess, throw_away_redis, wait_until
from tests.system import free_port
from tests.worker.conftest import composed

PASSWORD = "open sesame"
REFUSED = (Unavailable, redis.ConnectionError, OperationalError)
CODE = {"name": "n", "function_code": "def f(): return 1", "function_name": "f"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For a server with the right name, one with another, and a client."""
    made = make_certificates(tmp_path_factory.mktemp("certificates"))
    made.sign("good", "DNS:localhost,IP:127.0.0.1")
    made.sign("other", "DNS:other.test")
    made.sign("client", "DNS:celeriac")
    return made


@dataclass(frozen=True)
class Server:
    """A Redis that takes nothing but TLS with a certificate of the client."""

    port: int
    certificates: Certificates

    def url(self, query: str = "", scheme: str = "rediss") -> str:
        return f"{scheme}://:{quote(PASSWORD)}@localhost:{self.port}/1?{query}"

    @property
    def query(self) -> str:
        """All that it takes."""
        folder = self.certificates.folder
        return f"ssl_ca_certs={folder}/ca.pem&ssl_certfile={folder}/client.pem&ssl_keyfile={folder}/client.key"


def tls_words(certificates: Certificates, name: str) -> list[str]:
    """The settings of a server that shows the certificate `name`."""
    folder = certificates.folder
    return [
        *("--tls-cert-file", f"{folder}/{name}.pem", "--tls-key-file", f"{folder}/{name}.key"),
        *("--tls-ca-cert-file", f"{folder}/ca.pem", "--tls-auth-clients", "yes"),
    ]


@contextlib.contextmanager
def serving(program: Path, certificates: Certificates, name: str) -> Iterator[Server]:
    port = free_port()
    words = ["--tls-port", str(port), "--requirepass", PASSWORD, *tls_words(certificates, name)]
    with throw_away_redis(program, *words):
        yield Server(port, certificates)


@pytest.fixture(scope="module")
def server(tls_redis_program: Path, certificates: Certificates) -> Iterator[Server]:
    with serving(tls_redis_program, certificates, "good") as server:
        yield server


@pytest.fixture(scope="module")
def stranger(tls_redis_program: Path, certificates: Certificates) -> Iterator[Server]:
    """A server whose certificate, from the same authority, has another name."""
    with serving(tls_redis_program, certificates, "other") as server:
        yield server


def ask_as_store(url: str) -> None:
    client = connect(url)
    try:
        client.ping()
    finally:
        client.close()


def ask_as_celery(url: str) -> None:
    with Connection(kombu_url(url), ssl=tls_options(url), transport_options=transport_options(url)) as connection:
        connection.channel().client.ping()


ASKERS = [pytest.param(ask_as_store, id="store"), pytest.param(ask_as_celery, id="celery")]
Ask = Callable[[str], None]


@pytest.mark.parametrize("ask", ASKERS)
def test_a_trusted_server_is_used(server: Server, ask: Ask) -> None:
    ask(server.url(server.query))


@pytest.mark.parametrize("ask", ASKERS)
def test_a_server_of_an_unknown_authority_is_refused(server: Server, ask: Ask) -> None:
    query = server.query.partition("&")[2]
    with pytest.raises(REFUSED):
        ask(server.url(query))
    ask(server.url(f"{query}&ssl_cert_reqs=none"))


@pytest.mark.parametrize("ask", ASKERS)
def test_a_server_with_another_name_is_refused(stranger: Server, ask: Ask) -> None:
    with pytest.raises(REFUSED):
        ask(stranger.url(stranger.query))
    ask(stranger.url(f"{stranger.query}&ssl_check_hostname=false"))


@pytest.mark.parametrize("ask", ASKERS)
def test_the_server_wants_the_certificate_of_the_client(server: Server, ask: Ask) -> None:
    with pytest.raises(REFUSED):
        ask(server.url(server.query.partition("&")[0]))


def test_the_reason_is_said(server: Server, stranger: Server) -> None:
    with pytest.raises(Unavailable, match="TLS: certificate verify failed: self-signed certificate"):
        ask_as_store(server.url(server.query.partition("&")[2]))
    with pytest.raises(Unavailable, match="TLS: certificate verify failed: Hostname mismatch"):
        ask_as_store(stranger.url(stranger.query))


def test_a_worker_runs_tasks_by_tls(server: Server, tmp_path: Path) -> None:
    url = server.url(server.query)
    worker = CeleryProcess(tmp_path, url, "worker", "-n", "tls@test", "--loglevel=info", CODE_CONCURRENCY="1")
    store = Store.at(url)
    try:
        worker.wait_for("worker ready")
        assert composed(store).tasks.create(CODE, wait_seconds=20).status == "succeeded"
        assert "insecure" not in worker.output
    finally:
        worker.kill()
        store.close()


@pytest.fixture
def sentinel_url(server: Server, tls_redis_program: Path, tmp_path: Path) -> Iterator[str]:
    """A Sentinel by TLS, with a password of its own, that names the server."""
    port, path = free_port(), tmp_path / "sentinel.conf"
    path.write_text(
        f"port 0\ntls-port {port}\ntls-replication yes\nrequirepass watch\nsentinel resolve-hostnames yes\n"
        f"sentinel announce-hostnames yes\nsentinel monitor prime localhost {server.port} 1\n"
        f'sentinel auth-pass prime "{PASSWORD}"\n'
    )
    command = [tls_redis_program, path, "--sentinel", *tls_words(server.certificates, "good")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"sentinels://:{quote(PASSWORD)}@localhost:{port}/prime?db=1&sentinel_password=watch&{server.query}"
    try:
        wait_until(lambda: _is_there(url), 10, "a Sentinel")
        yield url
    finally:
        process.kill()
        process.wait(10)


def _is_there(url: str) -> bool:
    with contextlib.suppress(Unavailable):
        ask_as_store(url)
        return True
    return False


@pytest.mark.parametrize("ask", ASKERS)
def test_sentinel_and_master_by_tls(sentinel_url: str, ask: Ask) -> None:
    ask(sentinel_url)
    with pytest.raises(REFUSED):
        ask(sentinel_url.partition("&ssl_ca_certs")[0])


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("ssl_ca_certs=/nowhere/ca.pem", "has a ssl_ca_certs that can't be read: /nowhere/ca.pem: No such file"),
        ("ssl_keyfile=/nowhere/key.pem", "has a ssl_keyfile without its ssl_certfile"),
        ("ssl_cert_reqs=optional", "must have one of required, none as ssl_cert_reqs"),
        ("ssl_check_hostname=maybe", "must have true or false as ssl_check_hostname"),
    ],
)
@pytest.mark.parametrize("start", ["rediss://localhost:6380/0", "sentinels://localhost:26380/prime"])
def test_a_bad_option_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, start: str, query: str, problem: str
) -> None:
    monkeypatch.setenv("REDIS_URL", f"{start}?{query}")
    with pytest.raises(SettingsError, match=f"REDIS_URL {problem}"):
        read_settings()


def test_a_backup_of_one_database_comes_by_tls(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", server.url(server.query))
    with redis.Redis.from_url(server.url(server.query)) as raw:
        raw.flushdb()  # the module's tests share the server
        raw.set("celeriac:seq", 7)
        assert command.backup([str(tmp_path / "b")]) == 0
        raw.flushdb()
    with BackupFile(tmp_path / "b") as backup:
        assert [tuple(words) for words in backup.commands()] == [(b"SET", b"celeriac:seq", b"7")]
