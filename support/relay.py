"""Ways to what cannot be reached: ports of the machine's loopback, whose connections are carried to somewhere else.

The lab's network is cut off from the machine's. A unix socket is a file, so both sides can reach it: `Outside` listens
on a port out there, `Inside` connects to an address in here. `Loopback` goes by whatever its dialling brings.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from support.errors import UsageError

_Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class _Relay:
    """Carries each connection that it accepts to another one; runs in a thread of its own while entered."""

    def __init__(self, connect: _Connect) -> None:
        self._connect = connect
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)

    async def _listen(self) -> asyncio.Server:
        raise NotImplementedError

    def __enter__(self) -> None:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Listen no more, and let go of what is carried."""
        self._server.close()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        except asyncio.CancelledError:
            return  # the relay ends; asyncio 3.11 would tell of a cancelled connection as an error
        finally:
            for one in (writer, there_writer):
                one.close()


class Outside(_Relay):
    """Listens on 127.0.0.1:port and carries to the unix socket."""

    def __init__(self, *, port: int, socket: Path) -> None:
        super().__init__(lambda: asyncio.open_unix_connection(str(socket)))
        self._port = port

    async def _listen(self) -> asyncio.Server:
        try:
            return await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        except OSError as taken:
            raise UsageError(f"port {self._port} of localhost is taken: end what listens there") from taken


class Inside(_Relay):
    """Listens on the unix socket and carries to an address of the lab."""

    def __init__(self, *, socket: Path, host: str, port: int) -> None:
        super().__init__(lambda: asyncio.open_connection(host, port))
        self._socket = socket

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._carry, str(self._socket))


class Loopback(_Relay):
    """Listens on a free port of 127.0.0.1 and carries to the socket that `dial` brings (in a thread; OSError)."""

    def __init__(self, dial: Callable[[], socket.socket]) -> None:
        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            dialled = await asyncio.to_thread(dial)
            dialled.setblocking(False)
            return await asyncio.open_connection(sock=dialled)

        super().__init__(connect)
        self.address = ""
        """address:port, when it is entered."""

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0, backlog=512)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the sender is done; a broken connection breaks the other one."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
