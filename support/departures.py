"""How a client leaves: what it does to its TCP connection, from one moment to the next."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

Departure = Callable[[socket.socket], None]
"""Does it to a connection that may not be there yet, or no longer: then it does nothing."""


def hang_up(connection: socket.socket) -> None:
    """End it in both directions, as a program does that closes its connection or ends."""
    with suppress(OSError):  # not connected yet, or closed already
        connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """Break it off: the server gets a reset at once and no goodbye, as of a program with SO_LINGER 0.

    Linux does so when a connection is dissolved by connect() to AF_UNSPEC, whoever else holds the descriptor.
    """
    nowhere = ctypes.create_string_buffer(16)  # a struct sockaddr of family AF_UNSPEC, which is 0
    if ctypes.CDLL(None, use_errno=True).connect(connection.fileno(), nowhere, len(nowhere)):
        failed = ctypes.get_errno()
        if failed not in (errno.ENOTCONN, errno.EBADF):
            raise OSError(failed, os.strerror(failed))


def say_no_more(connection: socket.socket) -> None:
    """End it in the client's direction only; the client goes on listening."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


DEPARTURES: Mapping[str, Departure] = {
    "hangs up": hang_up,
    "breaks the connection off": reset,
    "says that it will say no more": say_no_more,
}
"""By the words of features."""
LISTENS_ON = (say_no_more,)
"""Those after which the client still hears what the server says."""
