"""Certificates for tests, made by the `openssl` command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


@dataclass(frozen=True, slots=True)
class Certificates:
    """A certificate authority made for the tests, and what it signed: NAME.pem with NAME.key."""

    folder: Path

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def server(self, name: str = "good") -> ssl.SSLContext:
        """The context of a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def sign(self, name: str, alt_names: str, days: int = 3650) -> None:
        """Make a certificate for `alt_names` (DNS:localhost,IP:127.0.0.1), with its key."""
        self._openssl(f"req {_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        extensions = f"subjectAltName={alt_names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        (self.folder / f"{name}.ext").write_text(extensions)
        signed_by = "-CA ca.pem -CAkey ca.key -CAcreateserial"
        self._openssl(f"x509 -req -in {name}.csr {signed_by} -extfile {name}.ext -out {name}.pem -days {days}")

    def _openssl(self, words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=self.folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> Certificates:
    """A new authority in `folder`. Without `openssl`, the test is skipped."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command: TLS is not tested here")
    made = Certificates(folder)
    # Python 3.13 and newer trust no authority that doesn't say what its key is for.
    usage = "-addext keyUsage=critical,keyCertSign,cRLSign"
    made._openssl(f"req -x509 {_KEY} -days 3650 -subj /CN=TestCA {usage} -keyout ca.key -out ca.pem")
    return made
