"""Those who ask and do not read: clients that let an answer stand, and scrapers that let metrics stand."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import termios
import threading
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown, whole_number
from support.waiting import eventually

SEEN_WITHIN = 10.0
"""Seconds in which each of them must have something to read that it does not read."""
_BUFFER = 4096
"""Bytes that the kernel may receive for one of them: small, so that the sender feels it."""
_SIP, _EVERY = 10, 1.0
"""Bytes that one who reads slowly takes, and how often, in seconds."""


class _Crowd(Fault):
    """Connections that ask for something and leave it unread, until they are closed."""

    lasting = True

    def __init__(self, who: str) -> None:
        self.victim = who
        self._sockets: list[socket.socket] = []

    @abstractmethod
    def questions(self) -> Iterable[tuple[str, bytes]]:
        """Whom each asks (a URL), and the bytes that it sends."""

    def inject(self) -> None:
        for url, question in self.questions():
            self._sockets.append(_asked(url, question))

    def verify(self) -> str:
        waiting = eventually(
            self._all_wait,
            within=SEEN_WITHIN,
            describe=f"each of the {self.victim} lets something unread",
            error=FaultError,
        )
        return f"{sum(waiting)} bytes wait for {len(waiting)} who do not read them, {min(waiting)} for each at least"

    def heal(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    def _all_wait(self) -> list[int]:
        waiting = [_unread(one) for one in self._sockets]
        assert all(waiting), f"{waiting.count(0)} of {len(waiting)} have nothing to read"
        return waiting


class SlowReaders(_Crowd):
    """Clients that ask for long streams. parameters: idle (do not read at all), slow (read 10 bytes a second), and
    max_tokens of each."""

    kinds = ("slow_readers",)
    name = "reading slowly"

    def __init__(self, deployment: Deployment, *, idle: int, slow: int, max_tokens: int) -> None:
        super().__init__(f"{idle + slow} slow readers")
        self._deployment = deployment
        self._count, self._slow = idle + slow, slow
        self._max_tokens = max_tokens
        self._over = threading.Event()
        self._sipping = threading.Thread(target=self._sip, name="slow readers", daemon=True)

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        defaults = {"idle": "8", "slow": "8", "max_tokens": "20000"}
        refuse_unknown(cls.kinds[0], parameters, *defaults)
        asked = {name: whole_number(cls.kinds[0], name, text) for name, text in (defaults | dict(parameters)).items()}
        return [cls(stage.deployment, idle=asked["idle"], slow=asked["slow"], max_tokens=asked["max_tokens"])]

    def questions(self) -> Iterable[tuple[str, bytes]]:
        asked = {"model": self._deployment.model, "prompt": "1 2 3 4 1000", "max_tokens": self._max_tokens}
        question = _post(json.dumps(asked | {"stream": True}).encode())
        return [(f"{self._deployment.base_url}/v1/completions", question)] * self._count

    def inject(self) -> None:
        super().inject()
        self._sipping.start()

    def heal(self) -> None:
        self._over.set()
        if self._sipping.is_alive():
            self._sipping.join()
        super().heal()

    def _sip(self) -> None:
        while not self._over.wait(_EVERY):
            for one in self._sockets[: self._slow]:
                with suppress(BlockingIOError):
                    one.recv(_SIP, socket.MSG_DONTWAIT)


class SlowScrapers(_Crowd):
    """Scrapers of metrics that ask again and again and never read. parameters: each (so many of each component)."""

    kinds = ("slow_scrapers",)
    name = "scraping without reading"
    _AGAIN = 20  # questions of one, which together are more than the kernel holds

    def __init__(self, components: Sequence[Component], *, each: int) -> None:
        super().__init__(f"{each * len(components)} scrapers")
        self._components = components
        self._each = each

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "each")
        each = whole_number(cls.kinds[0], "each", parameters.get("each", "20"))
        return [cls([*stage.deployment.of_role("frontend"), *stage.deployment.workers], each=each)]

    def questions(self) -> Iterable[tuple[str, bytes]]:
        for component in self._components:
            url = component.metrics_url
            question = f"GET {urlsplit(url).path} HTTP/1.1\r\nhost: {component.name}\r\n\r\n".encode()
            yield from [(url, self._AGAIN * question)] * self._each


def _post(body: bytes) -> bytes:
    head = f"host: frontend\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return b"POST /v1/completions HTTP/1.1\r\n" + head.encode() + b"\r\n\r\n" + body


def _asked(url: str, question: bytes) -> socket.socket:
    parts = urlsplit(url)
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    try:
        asking.connect((parts.hostname, parts.port))
        asking.sendall(question)
    except OSError as failure:
        asking.close()
        raise FaultError(f"{url} could not be asked: {failure}") from failure
    return asking


def _unread(one: socket.socket) -> int:
    """Bytes that wait in the kernel to be read."""
    (count,) = struct.unpack("i", fcntl.ioctl(one, termios.FIONREAD, b"\0" * 4))
    return int(count)
