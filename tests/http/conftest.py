"""Clients and certificates of the tests; everything stays on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.http import AddressPolicy, HttpClient
from tests.certificates import Certificates, make_certificates


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """The client of a service that serves loopback only."""
    made = HttpClient(AddressPolicy(allow_private=True))
    yield made
    made.close()


@pytest.fixture
def trusting(certificates: Certificates) -> Iterator[HttpClient]:
    """A client that trusts the tests' CA beside the public ones."""
    made = HttpClient(AddressPolicy(allow_private=True), ca_bundle=certificates.ca)
    yield made
    made.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made by the `openssl` command. Without it, the TLS tests are skipped."""
    made = make_certificates(tmp_path_factory.mktemp("certificates"))
    made.sign("good", "DNS:localhost,IP:127.0.0.1")
    made.sign("other", "DNS:other.test")
    made.sign("api", "DNS:api.example")
    made.sign("expired", "DNS:localhost,IP:127.0.0.1", days=-1)
    return made
