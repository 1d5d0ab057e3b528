"""Translation of exceptions from sockets, ssl, http.client and urllib3 into the contract's error types."""

from __future__ import annotations

import http.client
import ssl

from urllib3.exceptions import HTTPError, IncompleteRead, ProtocolError
from urllib3.exceptions import SSLError as Urllib3SSLError

from tasks.http.errors import CallError, ConnectionError_, HandshakeEnded, ReceiveLimit, TLSError
from tasks.http.urls import Target

TRANSPORT_ERRORS = (OSError, http.client.HTTPException, HTTPError, ReceiveLimit)
"""Everything that a hostile or broken target can make the layers below raise."""


def call_error(error: Exception, target: Target) -> CallError:
    """Return the CallError for one of TRANSPORT_ERRORS. The original text is dropped, since it may hold addresses."""
    if isinstance(error, ReceiveLimit):
        return ConnectionError_(f"{target} sent more headers than are read")
    cause = _cause(error)
    if isinstance(cause, ssl.SSLError | Urllib3SSLError):
        return TLSError(f"TLS with {target} failed: {_tls_reason(cause)}")
    return ConnectionError_(f"{target} {_what_happened(cause)}")


def _cause(error: Exception) -> Exception:
    """Return the original error: urllib3 wraps errors while reading, with the original as second argument."""
    inner = error.args[1] if isinstance(error, ProtocolError) and len(error.args) > 1 else error
    return inner if isinstance(inner, Exception) else error


def _tls_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid ({error.verify_message})"
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if isinstance(reason, str) else "the handshake broke off"


def _what_happened(error: Exception) -> str:
    if isinstance(error, HandshakeEnded):
        return "closed the connection during the TLS handshake"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    if isinstance(error, IncompleteRead | http.client.IncompleteRead):
        return "ended its answer too early"
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return "reset the connection"
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return "was refused by the proxy"
    if isinstance(error, OSError):
        return "broke the connection"
    return "sent what is not valid HTTP"
