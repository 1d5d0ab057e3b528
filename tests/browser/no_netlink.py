"""Keeps a program from watching the network of the machine (Linux).

Chromium breaks off all requests with ERR_NETWORK_CHANGED when an interface gets an address, also those to 127.0.0.1.
Tests that run beside those of the browser make such interfaces, and Chromium has no option for that; where it is
refused a netlink socket, it takes the network as it is.
"""

from __future__ import annotations

import errno
import socket
import struct

from sandbox.inside import seccomp, system

#: The number of the call `socket`.
_SOCKET = {"x86_64": 41, "aarch64": 198}
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARGUMENT_0 = 0, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT


def filter_of_netlink() -> seccomp.Filter | None:
    """Refuses netlink sockets to the process that installs it, and to its children; None where it is not known how."""
    if not system.LINUX or system.MACHINE not in _SOCKET:
        return None
    instructions = (  # code, where to go if true, if false, value
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_EQUAL, 0, 3, _SOCKET[system.MACHINE]),
        (_LOAD, 0, 0, _ARGUMENT_0),
        (_JUMP_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    )
    return seccomp.Filter(b"".join(struct.pack("HBBI", *each) for each in instructions))
