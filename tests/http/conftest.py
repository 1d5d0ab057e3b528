"""Clients and certificates of the tests; everything stays on loopback."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.http import AddressPolicy, HttpClient


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """The client of a service that serves loopback only."""
    made = HttpClient(AddressPolicy(allow_private=True))
    yield made
    made.close()


@dataclass(frozen=True)
class Certificates:
    """A CA made for the tests, and the certificates it signed. Each context is for a server."""

    folder: Path

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def server(self, name: str = "good") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made by the `openssl` command. Without it, the TLS tests are skipped."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command: TLS is not tested here")
    folder = tmp_path_factory.mktemp("certificates")
    _openssl(folder, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=TestCA")
    _sign(folder, "good", "DNS:localhost,IP:127.0.0.1", days=3650)
    _sign(folder, "other", "DNS:other.test", days=3650)
    _sign(folder, "api", "DNS:api.example", days=3650)
    _sign(folder, "expired", "DNS:localhost,IP:127.0.0.1", days=-1)
    return Certificates(folder)


def _openssl(folder: Path, command: str, key: str = "ca.key", out: str = "ca.pem") -> None:
    subprocess.run(
        ["openssl", *command.split(), "-keyout", key, "-out", out], cwd=folder, check=True, capture_output=True
    )


def _sign(folder: Path, name: str, alt_names: str, days: int) -> None:
    request = f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name}"
    _openssl(folder, request, key=f"{name}.key", out=f"{name}.csr")
    (folder / f"{name}.ext").write_text(f"subjectAltName={alt_names}\n")
    command = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile {name}.ext -out {name}.pem"
    subprocess.run(["openssl", *command.split(), "-days", str(days)], cwd=folder, check=True, capture_output=True)
