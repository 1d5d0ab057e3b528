"""The client through which API tasks go out: it ends on time and reaches only what it may.

Theory of operation. `HttpClient.call` turns a `Request` into a prepared `requests` request and sends it
hop by hop through `GuardedAdapter`. Whatever could be fooled before the connection (the URL, the name,
the first answer of DNS) is not trusted: the adapter's connections are dialled by `Dialer`, which resolves,
asks `AddressPolicy` about every address it got, and connects to one of exactly those. So a redirect, a
rebound name or an odd spelling of an address ends at the same check.

One `Exchange` accompanies a call. It holds the deadline, the receive budget and the `Cancel`, and every
socket operation (DNS wait, connect, handshake, each send and each receive) asks it first: a target can
drip, stall or flood, but not outlive it. `Cancel.cancel` shuts down the socket that is in use.

Order of imports, nothing points upwards: errors · addresses, urls, exchange, codings, content ·
sockets, resolver · dialer, connections, pool · adapter · outgoing, redirects, body · client.

Nothing here may import redis, flask, celery, `app` or the rest of `tasks`. One `HttpClient` per process:
its idle connections and DNS threads do not survive a fork.
"""

from tasks.http.addresses import AddressPolicy
from tasks.http.client import HttpClient
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
from tasks.http.exchange import Cancel
from tasks.http.messages import Request, Response
from tasks.http.urls import check_url

__all__ = [
    "AddressPolicy",
    "BlockedAddressError",
    "CallError",
    "Cancel",
    "Cancelled",
    "ConnectionError_",
    "HttpClient",
    "InvalidURL",
    "Request",
    "Response",
    "TLSError",
    "TimeoutError_",
    "TooManyRedirects",
    "check_url",
]
