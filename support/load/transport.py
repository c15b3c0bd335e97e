"""The transport of the load client: httpx above, uvloop below, and as little as can be in between for the bytes.

httpx builds requests and the heads of answers. While an answer streams, a read of its socket is only stamped and kept;
its HTTP is parsed later, many reads at once, which costs a fraction of what it does one by one between two waits. The
head is parsed at once; a read that may hold the end of the message is parsed, with all before it, when all sockets
that have something have been read: a thousand streams may end together.
Each request has a connection of its own: one that is used again may be closed by the server just then, and a retry
would hide a failure.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import httptools
import httpx

_KEPT = 256
"""Reads of a stream that are parsed together, so that its bytes do not pile up."""
_STRIDE = 97
"""Streams that began together are parsed at different times: the first time after so many reads more than the last."""
_SLICE = 0.001
"""Seconds of parsing after which sockets are read again."""
_LAST_CHUNK = 5
"""Bytes of the end of a chunked message, "0\\r\\n\\r\\n": a read that is shorter may hold only a part of it."""


class Sink(Protocol):
    """Who takes an answer as it comes. Times are seconds on CLOCK_MONOTONIC: when the bytes were read."""

    eager: bool
    """It takes each read at once, for it may have `enough` before the end."""

    @property
    def enough(self) -> bool:
        """It wants no more: who waits for the end need not go on."""

    def headed(self, at: float, status: int) -> None:
        """The head is there."""

    def take(self, times: Sequence[float], parts: Sequence[bytes]) -> None:
        """Parts of the body, in order, each with its time; some time after they came, but before `ended`."""

    def ended(self, at: float) -> None:
        """The answer is whole, as HTTP has it."""


class _Settling:
    """Exchanges whose bytes are to be parsed: a few at a time, so that sockets are read, and stamped, in between."""

    def __init__(self) -> None:
        self._waiting: deque[_Exchange] = deque()
        self._called = False

    def add(self, exchange: _Exchange) -> None:
        self._waiting.append(exchange)
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        until = time.monotonic() + _SLICE
        while self._waiting and time.monotonic() < until:
            self._waiting.popleft().settle()
        self._called = bool(self._waiting)
        if self._called:
            asyncio.get_running_loop().call_soon(self._work)


class LoadTransport(httpx.AsyncBaseTransport):
    """For requests with `extensions={"sink": ...}`; the body that httpx itself then reads is empty.

    Raises httpx.ConnectError, ReadError (the connection broke, or ended early), RemoteProtocolError (not HTTP).
    """

    def __init__(self) -> None:
        self._settling = _Settling()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        tls = self._tls if url.scheme == "https" else None
        port = url.port or (443 if tls else 80)
        exchange = _Exchange(request.extensions["sink"], self._settling)
        try:
            connection, _ = await asyncio.get_running_loop().create_connection(
                lambda: exchange, url.host, port, ssl=tls
            )
        except OSError as failure:
            raise httpx.ConnectError(str(failure), request=request) from failure
        rest = _Rest(exchange, connection)
        try:
            body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
            connection.write(_head(request) + body)
            await exchange.headed
        except BaseException:
            await rest.aclose()
            raise
        return httpx.Response(exchange.status, headers=exchange.headers, stream=rest, request=request)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _head(request: httpx.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw if name.lower() != b"connection"]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])


class _Rest(httpx.AsyncByteStream):
    """What is left of an answer after its head: nothing for httpx, which only waits here for the end."""

    def __init__(self, exchange: _Exchange, connection: asyncio.Transport) -> None:
        self._exchange, self._connection = exchange, connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._exchange.ended
        return
        yield b""

    async def aclose(self) -> None:
        """Give what is kept and end it. Raises RemoteProtocolError when that turns out not to be HTTP."""
        self._connection.abort()
        self._exchange.close()


class _Exchange(asyncio.Protocol):
    """One answer as it comes in."""

    _numbers = itertools.count()

    def __init__(self, sink: Sink, settling: _Settling) -> None:
        loop = asyncio.get_running_loop()
        self.headed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._sink = sink
        self._settling = settling
        self._parser: Any = httptools.HttpResponseParser(self)
        self._at = 0.0
        self._headed_at: float | None = None
        self._ended_at: float | None = None
        self._streams = self._whole = self._closed = False
        self._failure: httpx.TransportError | None = None
        self._lost: tuple[float, Exception | None] | None = None
        self._ends_by_closing = True
        self._kept: list[bytes] = []
        self._kept_at: list[float] = []
        self._room = _KEPT // 4 + next(self._numbers) * _STRIDE % _KEPT
        self._times: list[float] = []
        self._parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        self._kept_at.append(time.monotonic())
        self._kept.append(data)
        if not self._streams or self._sink.eager:
            self._parse()
        elif data.endswith(b"\r\n\r\n") or len(data) < _LAST_CHUNK or len(self._kept) > self._room:
            self._settling.add(self)

    def connection_lost(self, failure: Exception | None) -> None:
        self._lost = time.monotonic(), failure
        if not self._closed:
            self._settling.add(self)

    def settle(self) -> None:
        """Parse what is kept, and say so when the connection is lost."""
        if self._closed:
            return
        self._parse()
        if self._lost:
            at, failure = self._lost
            if failure is None and self.headed.done() and self._ends_by_closing:
                self._end(at)
            self._fail(httpx.ReadError(str(failure) if failure else "the connection ended before the answer did"))

    def close(self) -> None:
        """Give what is kept to the sink, and take no more. Raises RemoteProtocolError when only now it is not HTTP."""
        if self._closed:
            return
        known = self._failure
        self._parse()
        self._closed = True
        self._parser = None  # it holds this one: a cycle for each request is a pause of 100 ms for each 2,000
        if self._failure is not None and self._failure is not known:
            raise self._failure

    def _parse(self) -> None:
        """All that is kept, and say what it brought."""
        times, parts = self._kept_at, self._kept
        self._kept_at, self._kept = [], []
        self._room = _KEPT
        trouble = None
        try:
            for self._at, part in zip(times, parts, strict=True):
                self._parser.feed_data(part)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as failure:
            trouble = httpx.RemoteProtocolError(f"not HTTP: {failure}")
        if self._headed_at is not None:
            self._sink.headed(self._headed_at, self.status)
            self._headed_at = None
            _set(self.headed)
        if self._parts:
            self._sink.take(self._times, self._parts)
            self._times, self._parts = [], []
            if self._sink.enough and self._ended_at is None:
                _set(self.ended)
        if self._ended_at is not None:
            self._end(self._ended_at)
        if trouble:
            self._fail(trouble)

    # What httptools calls; what these raised, it would take for a fault of the bytes.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < httpx.codes.OK:  # 103 Early Hints and the like: the answer's own head follows
            self.headers.clear()
            return
        named = {name.lower(): value.lower() for name, value in self.headers}
        self._streams = named.get(b"transfer-encoding", b"").endswith(b"chunked")
        self._ends_by_closing = not self._streams and b"content-length" not in named
        self._headed_at = self._at

    def on_body(self, body: bytes) -> None:
        self._times.append(self._at)
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self.status >= httpx.codes.OK:
            self._ended_at = self._at

    def _end(self, at: float) -> None:
        if not self._whole:
            self._whole = True
            self._sink.ended(at)
            _set(self.ended)

    def _fail(self, failure: httpx.TransportError) -> None:
        if self._whole or self._failure:
            return
        self._failure = failure
        for future in (self.headed, self.ended):
            if not future.done():
                future.set_exception(failure)
                future.exception()  # told: nobody has to wait for it


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():  # who waited for it may have been cancelled
        future.set_result(None)
