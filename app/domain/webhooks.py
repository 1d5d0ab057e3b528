"""Signs webhooks as Standard Webhooks does (v1, HMAC-SHA256): https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KEY_PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
_QUAD, _TWO_BYTES, _BYTE = "([A-Za-z0-9+/]{4})", "[A-Za-z0-9+/]{3}=?", "[A-Za-z0-9+/]{2}(==)?"
#: The text form of a secret in full, for schemas: 24 to 62 bytes, or 63 and 64.
SECRET_PATTERN = f"^{KEY_PREFIX}{_QUAD}{{8}}({_QUAD}{{0,12}}({_TWO_BYTES}|{_BYTE})?|{_QUAD}{{13}}({_BYTE})?)$"


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A shared secret. Its text form is `whsec_` and the key in base64."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> WebhookSecret:
        """Raises ValueError for a text that is not a secret. The message does not contain the text."""
        encoded = text.removeprefix(KEY_PREFIX)
        if encoded == text:
            raise ValueError(f"must begin with {KEY_PREFIX}")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"must be {KEY_PREFIX} followed by base64") from None
        if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
            raise ValueError(f"must encode {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
        return cls(key)

    def signature(self, event_id: str, timestamp: int, body: bytes) -> str:
        """The signature of a webhook: `v1,` and base64."""
        signed = f"{event_id}.{timestamp}.".encode() + body
        return "v1," + base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()


def is_final(status_code: int) -> bool:
    """Whether a receiver that answers so wants no further try: a redirect, or 410 (gone)."""
    return 300 <= status_code < 400 or status_code == 410


def webhook_headers(event_id: str, timestamp: int, body: bytes, secrets: Sequence[WebhookSecret]) -> Mapping[str, str]:
    """The headers of a webhook with one signature for each secret; without a secret it is not signed.

    timestamp: the time of this try, in seconds since 1970.
    """
    headers = {"webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    if secrets:
        headers["webhook-signature"] = " ".join(secret.signature(event_id, timestamp, body) for secret in secrets)
    return headers
