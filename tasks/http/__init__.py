"""The HTTP client of API tasks: every call ends on time and reaches only permitted addresses.

Theory of operation. `HttpClient.call` turns a `Request` into a prepared `requests` request and sends it
hop by hop through `GuardedAdapter`. Anything that can be spoofed before the connection (the URL, the name,
the first DNS answer) is not trusted: `Dialer` makes the adapter's connections. It resolves the name, asks
`AddressPolicy` about every address, and connects to one of exactly those. Redirects, rebound names and odd
spellings of an address therefore all end at the same check.

Each call has one `Exchange`. It holds the deadline, the receive budget and the `Cancel`, and every socket
operation (DNS wait, connect, handshake, each send and receive) asks it first: a target can drip, stall or
flood, but the call still ends on time. `Cancel.cancel` shuts down the socket in use.

Received bytes are bounded where they are read: `heads` and `chunks` run in linear time, `codings` limits the
number of members and checks the deadline between steps, and `body` limits what is kept. `content` and
`charsets` lose nothing of what is kept.

Order of imports, nothing points upwards: errors, messages, addresses, heads, charsets, retry_after · urls, fields,
chunks, exchange, codings, content · failures, outgoing, redirects, body, sockets, resolver · dialer · connections ·
pool, routes · adapter · client, mail.

Nothing here may import redis, flask, celery, the rest of `tasks`, or more of `app` than the pure `app.domain`. One
`HttpClient` per process: its idle connections and DNS threads do not survive a fork.
"""

from tasks.http.addresses import AddressPolicy
from tasks.http.client import HttpClient
from tasks.http.content import parsed as parsed_json
from tasks.http.errors import (
    BlockedAddressError,
    CallError,
    Cancelled,
    ConnectionError_,
    InvalidURL,
    TimeoutError_,
    TLSError,
    TooManyRedirects,
)
from tasks.http.exchange import Cancel, Steps
from tasks.http.messages import Redirect, Request, Response
from tasks.http.retry_after import retry_after_seconds
from tasks.http.urls import check_url, shown_url, target_of

__all__ = [
    "AddressPolicy",
    "BlockedAddressError",
    "CallError",
    "Cancel",
    "Cancelled",
    "ConnectionError_",
    "HttpClient",
    "InvalidURL",
    "Redirect",
    "Request",
    "Response",
    "Steps",
    "TLSError",
    "TimeoutError_",
    "TooManyRedirects",
    "check_url",
    "parsed_json",
    "retry_after_seconds",
    "shown_url",
    "target_of",
]
