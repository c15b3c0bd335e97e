"""Sessions with programs in containers: what the client library's way of reading them leaves out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from kubernetes.stream import ws_client
from websocket import WebSocket, WebSocketException


class _Connection(WebSocket):
    """Begins within so many seconds, or raises WebSocketTimeoutException; and leaves no socket behind."""

    within: float | None = None

    def connect(self, url: str, **options: Any) -> None:
        super().connect(url, **({"timeout": self.within} | options))  # type: ignore[no-untyped-call]  # it has no types
        self.settimeout(None)

    def close(self, *args: Any, **how: Any) -> None:
        """Where the other end has said goodbye first, the client leaves the socket to the garbage collector."""
        super().close(*args, **how)
        self.shutdown()  # type: ignore[no-untyped-call]  # it has no types


class _Forward(ws_client.PortForward):
    """Ends its connection also when the socket on our side is broken off, with bytes in it that nobody has read."""

    def _proxy(self) -> None:
        with suppress(OSError):
            super()._proxy()  # type: ignore[no-untyped-call]  # it has no types
        with suppress(OSError, WebSocketException):
            self.websocket.close()
        for port in self.local_ports.values():
            port.python.close()


def insist_on_time(seconds: float) -> None:
    """No session takes longer to begin. The client (kubernetes 37) has no way to say so: it gets classes of ours."""
    _Connection.within = seconds
    vars(ws_client).update(WebSocket=_Connection, PortForward=_Forward)


def lines(session: Any) -> Iterator[str]:
    """Each line that the program writes (none is empty), until the session is over; the last one may be cut off.

    The client (kubernetes 37) keeps to itself the lines that came together with the end: they are read after it.
    session: kubernetes.stream.ws_client.WSClient.
    """
    with suppress(OSError, WebSocketException):
        while line := session.readline_stdout():
            yield line
    with suppress(OSError, WebSocketException):
        yield from session.read_stdout(timeout=0).splitlines()


def carried(forwarding: Any, port: int) -> socket.socket:
    """The connection to a port of a pod, alone: when it is closed, in whatever way, what carries it ends as well.

    The client keeps a socket of its own for as long as it carries, so that the other end would never hear of ours.
    forwarding: kubernetes.stream.ws_client.PortForward.
    """
    connection: socket.socket = forwarding.socket(port).dup()
    forwarding.close()
    return connection
