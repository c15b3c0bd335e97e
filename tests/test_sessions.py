"""What a program in a container says last is heard, by way of the real client; only the server is a fake."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from kubernetes import client
from kubernetes.stream import ws_client
from websocket import ABNF, WebSocket, WebSocketTimeoutException

from support.kubernetes_target.sessions import carried, insist_on_time, lines

STDOUT = b"\x01"


@pytest.fixture
def in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client with classes of ours, until the test is over."""
    for name in ("WebSocket", "PortForward"):
        monkeypatch.setattr(ws_client, name, getattr(ws_client, name))
    insist_on_time(0.3)


@pytest.fixture
def connection(in_time: None) -> Iterator[tuple[WebSocket, socket.socket]]:
    """The client's end, and the server's."""
    ours, theirs = socket.socketpair()
    made: WebSocket = vars(ws_client)["WebSocket"]()
    made.sock, made.connected = ours, True
    with ours, theirs:
        yield made, theirs


@pytest.fixture
def ends(connection: tuple[WebSocket, socket.socket]) -> tuple[ws_client.WSClient, socket.socket]:
    """A session, and the server's end of its connection."""
    with patch.object(ws_client, "create_websocket", return_value=connection[0]):
        session = ws_client.WSClient(None, "", None, capture_all=False)  # type: ignore[no-untyped-call]  # it has no types
    return session, connection[1]


def said(*texts: bytes) -> bytes:
    return b"".join(ABNF.create_frame(STDOUT + text, ABNF.OPCODE_BINARY).format() for text in texts)


CLOSE = ABNF.create_frame(b"\x03\xe8", ABNF.OPCODE_CLOSE).format()


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (said(b"one\n", b"two\n") + CLOSE, ["one", "two"]),
        (said(b"one\ntwo\nth", b"ree\n") + CLOSE, ["one", "two", "three"]),
        (said(b"one\ntw") + CLOSE, ["one", "tw"]),
        (said(b"one\n"), ["one"]),
        (CLOSE, []),
    ],
    ids=["with the end", "in pieces", "cut off", "without a goodbye", "nothing"],
)
def test_what_came_together_with_the_end_is_heard(
    sent: bytes, heard: list[str], ends: tuple[ws_client.WSClient, socket.socket]
) -> None:
    session, server = ends
    server.sendall(sent)
    server.shutdown(socket.SHUT_WR)
    ours = session.sock.sock
    assert list(lines(session)) == heard
    session.close()  # type: ignore[no-untyped-call]  # it has no types
    assert ours.fileno() == -1


def test_lines_are_heard_as_they_come(ends: tuple[ws_client.WSClient, socket.socket]) -> None:
    session, server = ends
    hearing = lines(session)
    server.sendall(said(b"one\n"))
    assert next(hearing) == "one"
    threading.Timer(0.1, lambda: server.sendall(said(b"two\n") + CLOSE)).start()
    assert list(hearing) == ["two"]


@pytest.mark.parametrize("broken_off", [False, True], ids=["closed", "broken off"])
@pytest.mark.parametrize("unread", [False, True], ids=["all is read", "something is not read"])
def test_what_carries_a_connection_ends_with_it(
    unread: bool, broken_off: bool, connection: tuple[WebSocket, socket.socket]
) -> None:
    carrier, server = connection
    forwarding = ws_client.PortForward(carrier, [80])  # type: ignore[no-untyped-call]  # it has no types
    ours = carried(forwarding, 80)
    ours.sendall(b"hello")
    server.settimeout(5)
    assert server.recv(100)
    if unread:
        for text in (b"\x00\x50\x00", b"\x01\x50\x00", b"\x00tokens"):
            server.sendall(ABNF.create_frame(text, ABNF.OPCODE_BINARY).format())
        assert ours.recv(6, socket.MSG_PEEK | socket.MSG_WAITALL) == b"tokens"
    if broken_off:
        ours.close()  # all that a relay does for a client that resets
    else:
        ours.shutdown(socket.SHUT_WR)
    goodbye = server.recv(100)
    assert not goodbye or goodbye[0] & 0x0F == ABNF.OPCODE_CLOSE
    ours.close()


@pytest.mark.usefixtures("in_time")
def test_a_session_with_a_server_that_takes_it_and_says_nothing_does_not_begin() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/exec"
        with pytest.raises(WebSocketTimeoutException):
            ws_client.create_websocket(client.Configuration(), url)  # type: ignore[no-untyped-call]  # it has no types
