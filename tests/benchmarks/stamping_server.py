"""A server that streams prepared chunks at a pace and stamps what it writes: the truth to which clients are compared.

It has a process of its own. When it is ended it writes a line for each request: its id, when it was seen, and when its
first and its last chunk were given to the kernel (CLOCK_MONOTONIC, seconds). Before that it writes to no disk, which
may take longer than what is to be measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

from tests.benchmarks.server_process import ServerProcess

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
TOKEN = (
    b'data: {"id":"cmpl-0123456789","object":"text_completion","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"text":" 12345","finish_reason":null}]}\n\n'
)
LAST = b'data: {"choices":[{"index":0,"text":"","finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
_ID = re.compile(rb"x-request-id: (\S+)\r\n")
_TOKENS = re.compile(rb'"max_tokens":\s*(\d+)')


def chunk(data: bytes) -> bytes:
    """As HTTP frames it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class StampingServer(ServerProcess):
    """pace: seconds between two chunks of one stream; each request says by `max_tokens` how many it wants."""

    def __init__(self, pace: float, stamps: Path) -> None:
        self.stamps = stamps
        super().__init__(_serve, pace, stamps)

    def read(self) -> dict[str, dict[str, float]]:
        """Of each request by its id: `seen`, `first`, `last`; once it has ended."""
        return {told.pop("id"): told for told in map(json.loads, self.stamps.read_text().splitlines())}


class _Stamped(asyncio.Protocol):
    def __init__(self, pace: float, stamped: list[dict[str, float | str]]) -> None:
        self._pace, self._stamped = pace, stamped
        self._asked = b""
        self._times: dict[str, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being a subclass

    def data_received(self, data: bytes) -> None:
        self._asked += data
        name, tokens = _ID.search(self._asked), _TOKENS.search(self._asked)
        if name and tokens and not self._times:
            self._id = name[1].decode()
            self._left = int(tokens[1])
            self._times["seen"] = self._due = time.monotonic()
            self._transport.write(HEAD)
            self._later()

    def _later(self) -> None:
        loop = asyncio.get_running_loop()
        self._due += self._pace
        loop.call_at(loop.time() + self._due - time.monotonic(), self._next)

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        now = time.monotonic()
        self._times.setdefault("first", now)
        if self._left:
            self._left -= 1
            self._transport.write(chunk(TOKEN))
            self._later()
            return
        self._transport.write(chunk(LAST) + b"0\r\n\r\n")
        self._stamped.append({"id": self._id, **self._times, "last": now})


def _serve(pace: float, stamps: Path, parent: Connection) -> None:
    stamped: list[dict[str, float | str]] = []

    async def serve() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, over.set)
        server = await loop.create_server(lambda: _Stamped(pace, stamped), "127.0.0.1", 0, backlog=2000)
        parent.send(server.sockets[0].getsockname()[1])
        await over.wait()

    uvloop.run(serve())
    stamps.write_text("".join(json.dumps(one) + "\n" for one in stamped))
