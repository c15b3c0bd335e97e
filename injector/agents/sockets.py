"""Sockets that stand in another network namespace than the process that uses them."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path

_NETWORK = 0x40000000
"""CLONE_NEWNET of setns(2)."""


def socket_in(namespace: Path, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A new socket of that network namespace, where it stays; whoever uses it need not be there. OSError."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:  # a thread of its own: setns changes the one that calls it
        try:
            inside = os.open(namespace, os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(inside, _NETWORK):
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), str(namespace))
                made.append(socket.socket(family, kind, protocol))
            finally:
                os.close(inside)
        except OSError as failure:
            failed.append(failure)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
