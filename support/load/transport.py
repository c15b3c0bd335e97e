"""The transport of the load client: httpx above, uvloop and llhttp below, and nothing in between for the bytes.

httpx builds requests and reads the head of answers; the bytes of an answer go straight from the socket's callback to
the `sink` that the request carries in its extensions, with the time at which they came. Each request has a connection
of its own: one that is used again may be closed by the server just then, and a retry would hide a failure.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable

import httptools
import httpx

Sink = Callable[[float, bytes], None]
"""Called with a time (CLOCK_MONOTONIC, seconds) and bytes of the body, as they come."""


class LoadTransport(httpx.AsyncBaseTransport):
    """For requests with `extensions={"sink": ...}`; the body that httpx itself then reads is empty.

    Raises httpx.ConnectError, ReadError (the connection broke, or ended early), RemoteProtocolError (not HTTP).
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sink: Sink = request.extensions["sink"]
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        tls = ssl.create_default_context() if url.scheme == "https" else None
        exchange = _Exchange(sink)
        try:
            connection, _ = await asyncio.get_running_loop().create_connection(
                lambda: exchange, url.host, port, ssl=tls
            )
        except OSError as failure:
            raise httpx.ConnectError(str(failure), request=request) from failure
        try:
            body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
            connection.write(_head(request) + body)
            await exchange.headed
        except BaseException:
            connection.abort()
            raise
        return httpx.Response(
            exchange.status, headers=exchange.headers, stream=_Rest(exchange, connection), request=request
        )


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
        self._connection.abort()


class _Exchange(asyncio.Protocol):
    """One answer as it comes in."""

    def __init__(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        self.headed: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._sink = sink
        self._at = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._at = time.monotonic()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as failure:
            self._fail(httpx.RemoteProtocolError(f"not HTTP: {failure}"))

    def connection_lost(self, failure: Exception | None) -> None:
        self._fail(httpx.ReadError(str(failure) if failure else "the connection ended before the answer did"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if not self.headed.done():
            self.headed.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._sink(self._at, body)

    def on_message_complete(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _fail(self, failure: httpx.TransportError) -> None:
        for future in (self.headed, self.ended):
            if not future.done():
                future.set_exception(failure)
                future.exception()  # told: nobody has to wait for it
