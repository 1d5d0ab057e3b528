"""TLS options in the URL of a Redis, named as in redis-py: `rediss://host/0?ssl_ca_certs=/etc/redis/ca.pem`.

They are the same for `rediss://` and `sentinels://`, and for the store, Celery and the Sentinels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit

TLS_SCHEME = "rediss"
OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"})
_REQUIREMENTS = ("required", "none")
_FILE = re.compile(r"(?<=[?&])(ssl_ca_certs|ssl_certfile|ssl_keyfile)=([^&#]+)")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted. The certificate of the server, and its name, are checked by default.

    ca_file: trusted in addition to the certificate authorities of the system.
    certificate_file, key_file: what this process shows to the server; the key may be in the file of the certificate.
    """

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    checks_certificate: bool = True
    checks_hostname: bool = True

    def options(self) -> dict[str, Any]:
        """The options of a connection, which redis-py and kombu name alike."""
        return {
            "ssl_ca_certs": self.ca_file,
            "ssl_certfile": self.certificate_file,
            "ssl_keyfile": self.key_file,
            "ssl_cert_reqs": "required" if self.checks_certificate else "none",
            "ssl_check_hostname": self.checks_certificate and self.checks_hostname,
        }


def parse_tls(query: Mapping[str, str]) -> Tls:
    """Read the options of a URL's query. Others are ignored. Raises ValueError with the reason for an invalid one."""
    requirement = query.get("ssl_cert_reqs", "required")
    if requirement not in _REQUIREMENTS:
        raise ValueError(f"must have one of {', '.join(_REQUIREMENTS)} as ssl_cert_reqs")
    checks_hostname = _BOOLEANS.get(query.get("ssl_check_hostname", "true").lower())
    if checks_hostname is None:
        raise ValueError("must have true or false as ssl_check_hostname")
    if "ssl_keyfile" in query and "ssl_certfile" not in query:
        raise ValueError("has a ssl_keyfile without its ssl_certfile")
    return Tls(
        ca_file=_file(query, "ssl_ca_certs"),
        certificate_file=_file(query, "ssl_certfile"),
        key_file=_file(query, "ssl_keyfile"),
        checks_certificate=requirement == "required",
        checks_hostname=checks_hostname,
    )


def tls_of(url: str) -> Tls | None:
    """The TLS options of a `rediss://` URL; None for every other scheme. Raises ValueError."""
    parts = urlsplit(url)
    return parse_tls(dict(parse_qsl(parts.query))) if parts.scheme == TLS_SCHEME else None


def with_absolute_files(url: str) -> str:
    """The URL with absolute paths of its files, for a process that runs in another folder."""
    return _FILE.sub(lambda found: f"{found[1]}={quote(str(Path(unquote_plus(found[2])).absolute()))}", url)


def _file(query: Mapping[str, str], name: str) -> str | None:
    path = query.get(name)
    if path is not None:
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise ValueError(f"has a {name} that can't be read: {path}: {error.strerror}") from None
    return path
