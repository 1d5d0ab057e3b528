"""How a call can end without an answer.

    CallError                 the target's or the caller's failure; `type` is the contract's `error.type`
    ├── ConnectionError_      "ConnectionError": no answer, or one that is not HTTP
    ├── TLSError              "TLSError": the certificate or the handshake is bad
    ├── TimeoutError_         "TimeoutError": the whole exchange outlived its time
    ├── TooManyRedirects      "TooManyRedirects"
    ├── InvalidURL            "InvalidURL": the request can't be sent as it is written
    └── BlockedAddressError   "BlockedAddressError": the policy refuses the address
    Cancelled                 `Cancel.cancel()` was called; says nothing about the target

A message may name the host and port that the caller or the target's `Location` wrote, never what a name
resolved to, and never a header's value. Any other exception out of this package is a defect of ours.
"""

from __future__ import annotations

from typing import ClassVar


class CallError(Exception):
    """The call got no answer that could be kept."""

    type: ClassVar[str] = "ConnectionError"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConnectionError_(CallError):  # noqa: N801  (the plain name is Python's own)
    """The connection failed, or what came back is not HTTP. Worth a retry."""

    type = "ConnectionError"


class TLSError(CallError):
    """The target's certificate is not trusted, or the handshake failed."""

    type = "TLSError"


class TimeoutError_(CallError):  # noqa: N801
    """The exchange as a whole outlived its time. Worth a retry."""

    type = "TimeoutError"


class TooManyRedirects(CallError):
    """The target redirected more often than is followed."""

    type = "TooManyRedirects"


class InvalidURL(CallError):
    """The URL, a header or the data can't be sent as it is written. A retry would change nothing."""

    type = "InvalidURL"


class BlockedAddressError(CallError):
    """The address is one the service may not call. `reason` is for our log only."""

    type = "BlockedAddressError"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Cancelled(Exception):
    """The call was cancelled while it was in flight."""


class ReceiveLimit(Exception):
    """The target sent more bytes than the current phase allows. Never leaves this package."""
