"""The ways in which a call can end without an answer.

    CallError                 a failure of the target or the caller; `type` is the contract's `error.type`
    ├── ConnectionError_      "ConnectionError": no answer, or one that is not HTTP
    ├── TLSError              "TLSError": the certificate is not valid, or the two sides could not agree on TLS
    ├── TimeoutError_         "TimeoutError": the exchange as a whole took too long
    ├── TooManyRedirects      "TooManyRedirects"
    ├── InvalidURL            "InvalidURL": the request can't be sent as written
    └── BlockedAddressError   "BlockedAddressError": the policy refuses the address
    Cancelled                 `Cancel.cancel()` was called; says nothing about the target

A message may name the host and port from the task or from a `Location`, but never the address that a name
resolved to, and never a header's value. Any other exception from this package is a bug.
"""

from __future__ import annotations

from typing import ClassVar


class CallError(Exception):
    """The call got no usable answer."""

    type: ClassVar[str] = "ConnectionError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def add_context(self, when: str) -> None:
        """Prefix the message with when it happened."""
        self.message = f"{when}: {self.message}"
        self.args = (self.message,)


class ConnectionError_(CallError):  # noqa: N801  (the plain name is Python's own)
    """The connection failed, or the answer is not HTTP. Worth a retry."""

    type = "ConnectionError"


class TLSError(CallError):
    """The target's certificate is not trusted, or the two sides could not agree on TLS."""

    type = "TLSError"


class TimeoutError_(CallError):  # noqa: N801
    """The exchange as a whole took longer than its timeout. Worth a retry."""

    type = "TimeoutError"


class TooManyRedirects(CallError):
    """The target redirected more often than the client follows."""

    type = "TooManyRedirects"


class InvalidURL(CallError):
    """The URL, a header or the data can't be sent as written. A retry would fail the same way."""

    type = "InvalidURL"


class BlockedAddressError(CallError):
    """The service may not call this address. `reason` is for our log only."""

    type = "BlockedAddressError"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"{host} at port {port} is not open to tasks")
        self.reason = reason


class Cancelled(Exception):
    """The call was cancelled while it was in flight."""


class HandshakeEnded(ConnectionError):
    """The target closed the connection during the TLS handshake. Never raised to callers of this package."""


class ReceiveLimit(Exception):
    """The target sent more bytes than the current phase allows. Never raised to callers of this package."""
