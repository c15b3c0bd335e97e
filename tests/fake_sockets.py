"""A server that does on its socket exactly what a test says, and sees exactly what a client does on the other end."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

LIMIT = 10.0  # seconds after which anything here gives up, so that no test hangs
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def plain_answer(status: int, body: bytes, content_type: str = "application/json") -> bytes:
    """A whole answer with a length."""
    return (
        f"HTTP/1.1 {status} Fake\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )


class FakeConversation:
    """One connection as the server has it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.head = ""
        self.body = b""

    def hear(self) -> None:
        """Read the request: `head` and `body`."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        self.head = head.decode().lower()
        length = int(self.head.split("content-length:")[1].split()[0])
        while len(body) < length:
            body += self._more()
        self.body = body

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self._socket.sendall(part)

    def wait_until_gone(self) -> float:
        """When the client's end of the connection was closed (CLOCK_MONOTONIC)."""
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return time.monotonic()

    def reset(self) -> None:
        """End it with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._socket.close()

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the client left in the middle of its request")
        return data


class FakeServer:
    """Runs `script` for every connection, each in a thread; what a script returns or raises is in `results`."""

    def __init__(self, script: Callable[[FakeConversation], object], *, receive_buffer: int | None = None) -> None:
        """receive_buffer: bytes that the kernel takes for a script that does not listen; None: as usual."""
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.results: queue.Queue[object] = queue.Queue()

    def result(self) -> object:
        """What the script of the next connection that ended returned; its exception is raised here."""
        result = self.results.get(timeout=LIMIT)
        if isinstance(result, Exception):
            raise result
        return result

    def __enter__(self) -> FakeServer:
        self._run(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        for thread in self._threads:
            thread.join(LIMIT)
        self._listener.close()

    def _run(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._run(self._talk, connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(LIMIT)
        with connection:
            try:
                self.results.put(self._script(FakeConversation(connection)))
            except Exception as error:  # noqa: BLE001  # whatever it was, `result` raises it in the test
                self.results.put(error)
