"""One connection for one request, on the one network loop of this process.

Requests run on an asyncio loop in a daemon thread of their own, because behave's loop stands still between steps.
httpx is the client; aiohttp carries the bytes (a streamed chunk costs half the CPU that it costs over httpx's own
transport, tests/benchmarks/client_cpu.py) and tells us the sockets it opens, so that a request can close its own.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from support.records import ErrorClass

SocketOf = Callable[[int, int, int], socket.socket]
"""Makes a socket of a family, kind and protocol."""
_ENDING = 1.0  # seconds that requests which still run have to close their connections when the process ends


@functools.cache
def network_loop() -> asyncio.AbstractEventLoop:
    """The loop that every request of this process runs on; started at first use, stopped when the process ends."""
    loop = _new_loop()
    thread = threading.Thread(target=_run, args=(loop,), name="requests", daemon=True)
    thread.start()

    def stop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    atexit.register(stop)
    return loop


@asynccontextmanager
async def connection(
    *, silence: float | None, opened: Callable[[socket.socket], None], socket_of: SocketOf = socket.socket
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a connection of its own: no pool, no proxy of the environment, no cookies, no redirects.

    silence: seconds that may pass without a byte, also while connecting; None: for ever.
    opened: told of each socket before it connects (a name with two addresses may take two).
    socket_of: makes them: a client with a network of its own has its sockets there.
    """
    connector = aiohttp.TCPConnector(
        force_close=True, limit=0, use_dns_cache=False, socket_factory=lambda info: _socket(info, opened, socket_of)
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
    transport = AiohttpTransport(client=session, verify=_tls(), trust_env=False)
    async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=httpx.Timeout(silence)) as client:
        yield client


TRANSPORT_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError)
"""What `connection` and what is done with it raise when the network or the server fails."""


def classify(error: BaseException) -> tuple[ErrorClass, str]:
    """The class of a transport error, and its words.

    Looks behind httpx's exception at aiohttp's: httpx-aiohttp 0.2 calls every lost connection a ConnectTimeout.
    """
    cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error
    words = str(cause) or type(cause).__name__
    if isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, httpx.ConnectError)):
        return "connect", words
    if isinstance(cause, (TimeoutError, httpx.TimeoutException)):
        return "timeout", words
    if isinstance(cause, aiohttp.ClientResponseError):
        return "malformed", words
    return "reset", words


def _socket(info: aiohttp.AddrInfoType, opened: Callable[[socket.socket], None], socket_of: SocketOf) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket_of(family, kind, protocol)
    opened(made)
    return made


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # reads the certificates, 20 ms: once


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # it has no wheel for some machines; asyncio's own loop does the same, slower
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_ENDING))
        loop.close()
