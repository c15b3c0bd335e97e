"""Small HTTP servers of the tests: one class, one method that answers; on a free port, in a thread, stopped cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any

import uvicorn

from support.waiting import eventually


class Exchange:
    """One request and its answer, as ASGI has them."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        query: bytes = scope["query_string"]
        self.target: str = scope["path"] + (f"?{query.decode()}" if query else "")
        self.headers: dict[str, str] = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        self.body = b""

    async def hear(self) -> None:
        more = True
        while more:
            message = await self._receive()
            self.body += message.get("body", b"")
            more = message.get("more_body", False)

    async def start(self, status: int, content_type: str) -> None:
        headers = [(b"content-type", content_type.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def say(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def left(self) -> None:
        """Returns when the client has closed its connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class HttpServer(ABC):
    """Serves on 127.0.0.1 between `with` and its end. When a client leaves, its `answer` is cancelled."""

    leaves_with_client = True

    def __init__(self) -> None:
        self.begun: list[str] = []
        """x-request-id of every request, in order of arrival; "" without one."""
        self.disconnects: list[str] = []
        """x-request-id of every request whose client left before the answer's end, in order."""
        self.ended: list[str] = []
        """x-request-id of every request that was answered to its end."""

    @abstractmethod
    async def answer(self, exchange: Exchange) -> None:
        """Answer one request."""

    def __enter__(self) -> str:
        """Serve from now on; gives the base URL."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        config = uvicorn.Config(
            self._app, interface="asgi3", lifespan="off", ws="none", log_level="critical", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, name="http-server")
        self._thread.start()
        eventually(lambda: self._server.started, within=10, describe="the test's HTTP server is up")
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, send)
        await exchange.hear()
        request_id = exchange.headers.get("x-request-id", "")
        self.begun.append(request_id)
        answering = asyncio.ensure_future(self.answer(exchange))
        leaving = asyncio.ensure_future(exchange.left())
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.disconnects.append(request_id)
            if answering.done() or not self.leaves_with_client:
                await answering
                self.ended.append(request_id)
        finally:
            for task in (answering, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
